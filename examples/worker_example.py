"""A worker in plain pika and requests, for robots that speak the worker contract without an SDK.

    pip install -r examples/requirements.txt
    QUEUE_NAME=demo RABBITMQ_URL=amqp://user:password@host/ MAESTRO_URL=http://host:8080/api/v1/worker \
        python3 examples/worker_example.py [--once]

MAESTRO_WORKER_API_KEY, when set, is sent as X-Worker-API-Key. SIGTERM or Ctrl-C stops after the current job.

The work is a simulation, steered by the job's parameters:
    steps             how many steps, 0 to 10000 (default 3)
    seconds_per_step  how long one takes, 0 to 3600 (default 1)
    fail              true: the last step fails, and the job is reported as failed
    crash             true: the process dies with exit code 9 after the first step, without finish and
                      without ack, as in a power cut; meant for trying out recovery
"""

from __future__ import annotations

import argparse
import enum
import json
import logging
import os
import random
import signal
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import pika
import pika.exceptions
import requests

SUCCESS = {200, 201, 204}
HTTP_TIMEOUT_S = (5, 30)
HTTP_ATTEMPTS = 5
LONGEST_BACKOFF_S = 30.0
# Asking for a cancellation is also the heartbeat, so that a long step must ask in between.
LONGEST_SILENCE_S = 5.0
NEW_QUEUE_ARGUMENTS = {"x-dead-letter-exchange": "maestro.dlx"}
# Enough to recognise the few messages that can come again after a lost connection.
REMEMBERED_JOBS = 100

log = logging.getLogger("worker")
Pause = Callable[[float], None]


class Outcome(enum.Enum):
    """What becomes of the message."""

    ACK = "ack"
    REJECT = "reject"
    REQUEUE = "requeue"


class Unusable(Exception):
    """The message can never become a job."""


class Unreachable(Exception):
    """The server did not answer, or not sensibly, after all attempts."""


class Failed(Exception):
    """The work went wrong; the text goes into the job's result."""


class Canceled(Exception):
    """Somebody asked for the job to stop."""


@dataclass(frozen=True)
class Settings:
    """From the environment."""

    queue_name: str
    amqp_url: str
    maestro_url: str
    api_key: str

    @classmethod
    def from_environment(cls) -> Settings:
        return cls(
            queue_name=os.environ.get("QUEUE_NAME", ""),
            amqp_url=os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672/%2F"),
            maestro_url=os.environ.get("MAESTRO_URL", "http://127.0.0.1:8080/api/v1/worker").rstrip("/"),
            api_key=os.environ.get("MAESTRO_WORKER_API_KEY", ""),
        )


@dataclass(frozen=True)
class Work:
    """The job's parameters, checked."""

    steps: int
    seconds_per_step: float
    fail: bool
    crash: bool

    @classmethod
    def parse(cls, parameters: dict) -> Work:
        steps = parameters.get("steps", 3)
        if type(steps) is not int or not 0 <= steps <= 10_000:
            raise Failed(f"parameter steps must be a whole number from 0 to 10000, got {steps!r}")
        seconds = parameters.get("seconds_per_step", 1)
        if type(seconds) not in (int, float) or not 0 <= seconds <= 3600:
            raise Failed(f"parameter seconds_per_step must be a number from 0 to 3600, got {seconds!r}")
        for name in ("fail", "crash"):
            if not isinstance(parameters.get(name, False), bool):
                raise Failed(f"parameter {name} must be true or false, got {parameters[name]!r}")
        return cls(steps, seconds, parameters.get("fail", False), parameters.get("crash", False))


@dataclass(frozen=True)
class Job:
    """A usable message."""

    job_id: str
    automation_id: int
    script_path: str
    parameters: dict

    @classmethod
    def parse(cls, body: bytes) -> Job:
        try:
            message = json.loads(body)
            job_id = str(uuid.UUID(message["job_id"]))
            automation_id, parameters = message["automation_id"], message["parameters"]
            script_path = message["script_path"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unusable(f"{type(error).__name__}: {error}") from error
        if type(automation_id) is not int or not isinstance(script_path, str) or not isinstance(parameters, dict):
            raise Unusable("automation_id must be an integer, script_path text, parameters an object")
        return cls(job_id, automation_id, script_path, parameters)


@dataclass
class Maestro:
    """The worker API. Busy or absent servers are asked again with backoff."""

    settings: Settings
    session: requests.Session = field(default_factory=requests.Session)

    def start(self, job: Job, pause: Pause) -> int:
        return self._call("POST", job, "start", pause)

    def log(self, job: Job, pause: Pause, level: str, message: str) -> None:
        """A lost log line is not worth a lost job."""
        try:
            status = self._call("POST", job, "log", pause, {"level": level, "message": message}, attempts=2)
            if status not in SUCCESS:
                log.warning("log line of job %s refused with status %s", job.job_id, status)
        except Unreachable as error:
            log.warning("log line of job %s lost: %s", job.job_id, error)

    def cancellation_requested(self, job: Job, pause: Pause) -> bool:
        """Unknown counts as no: the work goes on, and the next step asks again."""
        try:
            response = self._send("GET", job, "cancellation", pause, None, attempts=1)
            return response.status_code in SUCCESS and response.json().get("cancellation_requested") is True
        except (Unreachable, ValueError, AttributeError) as error:
            log.warning("cancellation of job %s not known: %s", job.job_id, error)
            return False

    def finish(self, job: Job, pause: Pause, status: str, result: dict) -> int:
        return self._call("POST", job, "finish", pause, {"status": status, "result": result})

    def _call(self, method: str, job: Job, action: str, pause: Pause, body: dict | None = None,
              attempts: int = HTTP_ATTEMPTS) -> int:
        return self._send(method, job, action, pause, body, attempts).status_code

    def _send(self, method: str, job: Job, action: str, pause: Pause, body: dict | None,
              attempts: int) -> requests.Response:
        url = f"{self.settings.maestro_url}/jobs/{job.job_id}/{action}"
        headers = {"Content-Type": "application/json"} if method == "POST" else {}
        if self.settings.api_key:
            headers["X-Worker-API-Key"] = self.settings.api_key
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        problem = ""
        for attempt in range(attempts):
            if attempt:
                pause(backoff_s(attempt))
            try:
                response = self.session.request(method, url, data=data, headers=headers, timeout=HTTP_TIMEOUT_S)
            except requests.RequestException as error:
                problem = f"{action}: {error}"
                continue
            if response.status_code != 429 and response.status_code < 500:
                return response
            problem = f"{action}: status {response.status_code}"
        raise Unreachable(problem)


class Worker:
    """Turns one message into one job, and says what becomes of the message."""

    def __init__(self, maestro: Maestro) -> None:
        self.maestro = maestro
        # Results by job: None once the server has it, so that a message that comes again after a
        # lost connection never runs the work twice in this process.
        self.results: dict[str, tuple[str, dict] | None] = {}

    def handle(self, body: bytes, pause: Pause) -> Outcome:
        try:
            job = Job.parse(body)
        except Unusable as error:
            log.error("message rejected, it is no job: %s", error)
            return Outcome.REJECT
        try:
            return self._handle_job(job, pause)
        except Unreachable as error:
            log.error("job %s goes back to the queue: %s", job.job_id, error)
            return Outcome.REQUEUE

    def _handle_job(self, job: Job, pause: Pause) -> Outcome:
        if job.job_id not in self.results:
            status = self.maestro.start(job, pause)
            if status == 409:
                log.info("job %s skipped, it is not to be started any more", job.job_id)
                return Outcome.ACK
            if status not in SUCCESS:
                return self._refused(job, status)
            self._remember(job.job_id, self._run(job, pause))
        result = self.results[job.job_id]
        if result is not None:
            status = self.maestro.finish(job, pause, *result)
            if status not in SUCCESS:
                # The server knows the job and has decided: coming again would change nothing.
                log.error("finish of job %s refused with status %s", job.job_id, status)
            self.results[job.job_id] = None
            log.info("job %s finished: %s", job.job_id, result[0])
        return Outcome.ACK

    def _refused(self, job: Job, status: int) -> Outcome:
        log.error("start of job %s refused with status %s", job.job_id, status)
        if status in (401, 403):
            # Our key is wrong, not the job: leave it to a worker that may.
            return Outcome.REQUEUE
        return Outcome.REJECT

    def _remember(self, job_id: str, result: tuple[str, dict]) -> None:
        self.results[job_id] = result
        while len(self.results) > REMEMBERED_JOBS:
            del self.results[next(iter(self.results))]

    def _run(self, job: Job, pause: Pause) -> tuple[str, dict]:
        log.info("job %s started: %s", job.job_id, job.script_path)
        try:
            work = Work.parse(job.parameters)
            self._do(job, work, pause)
        except Canceled:
            self.maestro.log(job, pause, "WARNING", "stopped, cancellation was requested")
            return "canceled", {"canceled": True}
        except Failed as error:
            self.maestro.log(job, pause, "ERROR", str(error))
            return "failed", {"error": str(error)}
        except Exception as error:  # Whatever the work raises is the job's failure, not the worker's end.
            log.exception("job %s failed", job.job_id)
            self.maestro.log(job, pause, "ERROR", f"{type(error).__name__}: {error}")
            return "failed", {"error": f"{type(error).__name__}: {error}"}
        return "completed", {"steps": work.steps}

    def _do(self, job: Job, work: Work, pause: Pause) -> None:
        """Replace this by the real work; ask `_wait` between its steps."""
        self.maestro.log(job, pause, "INFO", f"starting {work.steps} step(s)")
        self._stop_if_canceled(job, pause)
        for step in range(1, work.steps + 1):
            self._wait(job, work.seconds_per_step, pause)
            if work.fail and step == work.steps:
                raise Failed(f"step {step} failed as asked by parameter fail")
            self.maestro.log(job, pause, "INFO", f"step {step} of {work.steps} done")
            if work.crash:
                log.critical("dying as asked by parameter crash")
                os._exit(9)
            self._stop_if_canceled(job, pause)
        if work.crash:
            os._exit(9)
        if work.fail:
            raise Failed("failed as asked by parameter fail")

    def _wait(self, job: Job, seconds: float, pause: Pause) -> None:
        while seconds > 0:
            pause(min(seconds, LONGEST_SILENCE_S))
            seconds -= LONGEST_SILENCE_S
            if seconds > 0:
                self._stop_if_canceled(job, pause)

    def _stop_if_canceled(self, job: Job, pause: Pause) -> None:
        if self.maestro.cancellation_requested(job, pause):
            raise Canceled


class Consumer:
    """The queue side: connects, declares, takes one message at a time, and starts over when the broker goes away."""

    def __init__(self, settings: Settings, worker: Worker, once: bool) -> None:
        self.settings = settings
        self.worker = worker
        self.once = once
        self.stopping = False
        self.failures = 0

    def stop(self, *_signal: object) -> None:
        log.info("stopping after the current job")
        self.stopping = True

    def run(self) -> None:
        while not self.stopping:
            try:
                self._consume()
            except (pika.exceptions.AMQPError, OSError) as error:
                self.failures += 1
                delay = backoff_s(self.failures)
                log.warning("broker lost (%s: %s), again in %.1f s", type(error).__name__, error, delay)
                self._idle(delay)

    def _consume(self) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(self.settings.amqp_url))
        try:
            channel = open_queue(connection, self.settings.queue_name)
            log.info("waiting for jobs in queue %s", self.settings.queue_name)
            # The time limit is how long a stop may take to be seen while the queue is empty.
            for method, _, body in channel.consume(self.settings.queue_name, inactivity_timeout=0.5):
                if self.stopping:
                    # A message taken but not begun goes back when the channel closes.
                    break
                if method is not None:
                    self._deliver(connection, channel, method.delivery_tag, body)
                self.failures = 0
        finally:
            if connection.is_open:
                connection.close()

    def _deliver(self, connection: pika.BlockingConnection, channel: object, tag: int, body: bytes) -> None:
        outcome = self.worker.handle(body, lambda seconds: pause_on(connection, seconds))
        if outcome is Outcome.ACK:
            channel.basic_ack(tag)
        elif outcome is Outcome.REJECT:
            channel.basic_reject(tag, requeue=False)
        else:
            if not self.stopping:
                pause_on(connection, backoff_s(HTTP_ATTEMPTS))
            channel.basic_nack(tag, requeue=True)
            return
        if self.once:
            self.stopping = True

    def _idle(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < end:
            time.sleep(0.1)


def open_queue(connection: pika.BlockingConnection, name: str) -> object:
    """A channel with prefetch 1 on a queue that exists: adopted as it is, else declared."""
    channel = connection.channel()
    try:
        channel.queue_declare(name, passive=True)
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code != 404:
            raise
        channel = connection.channel()
        channel.queue_declare(name, durable=True, arguments=NEW_QUEUE_ARGUMENTS)
    channel.basic_qos(prefetch_count=1)
    return channel


def pause_on(connection: pika.BlockingConnection, seconds: float) -> None:
    """Sleeps and keeps the broker's heartbeat going; without a broker the running job goes on all the same."""
    end = time.monotonic() + seconds
    # On a connection that is already closed, pika's own sleep fails with errors of its inner loop.
    if connection.is_open:
        try:
            connection.sleep(seconds)
        except (pika.exceptions.AMQPError, OSError):
            log.warning("broker lost, the job goes on without it")
    time.sleep(max(0.0, end - time.monotonic()))


def backoff_s(attempt: int) -> float:
    """Doubles from half a second, with jitter."""
    return min(LONGEST_BACKOFF_S, 0.5 * 2 ** min(attempt, 10)) * random.uniform(0.5, 1.0)


def main() -> int:
    parser = argparse.ArgumentParser(description="Example worker in plain pika and requests.")
    parser.add_argument("--once", action="store_true", help="stop after one job")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    settings = Settings.from_environment()
    if not settings.queue_name:
        log.error("QUEUE_NAME is not set")
        return 2
    consumer = Consumer(settings, Worker(Maestro(settings)), options.once)
    signal.signal(signal.SIGTERM, consumer.stop)
    signal.signal(signal.SIGINT, consumer.stop)
    consumer.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
