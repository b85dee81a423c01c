"""The worker's decisions, against a server that is played by a list of answers."""

import json
import logging
import sys
import types
import unittest
import uuid
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))


def _stand_in(name, **members):
    module = types.ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module
    return module


# Without the two packages the decisions can still be tested: only these names are touched.
try:
    import requests
except ImportError:
    requests = _stand_in("requests", RequestException=type("RequestException", (OSError,), {}), Session=object)
try:
    import pika.exceptions  # noqa: F401
except ImportError:
    _broken = _stand_in("pika.exceptions", AMQPError=type("AMQPError", (Exception,), {}))
    _stand_in("pika", exceptions=_broken, BlockingConnection=object)

import worker_example  # noqa: E402
from worker_example import Job, Maestro, Outcome, Settings, Worker  # noqa: E402

JOB_ID = str(uuid.UUID(int=7))


class Session:
    """Answers by action; a list is used up one by one, its last answer for ever."""

    def __init__(self, **answers):
        self.answers = {"start": [200], "log": [201], "cancellation": [False], "finish": [200]} | answers
        self.calls = []

    def request(self, method, url, data, headers, timeout):
        action = url.rpartition("/")[2]
        self.calls.append((method, url, data, headers))
        queue = self.answers[action]
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(answer, Exception):
            raise answer
        canceled = answer is True
        status = 200 if isinstance(answer, bool) else answer
        return types.SimpleNamespace(status_code=status, json=lambda: {"cancellation_requested": canceled})

    def actions(self):
        return [url.rpartition("/")[2] for _, url, _, _ in self.calls]

    def finished(self):
        return [json.loads(data) for _, url, data, _ in self.calls if url.endswith("/finish")]


def message(**parameters):
    body = {"job_id": JOB_ID, "automation_id": 3, "script_path": "a.py", "parameters": parameters, "extra": 1}
    return json.dumps(body).encode()


class WorkerExample(unittest.TestCase):
    def setUp(self):
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        self.pauses = []

    def worker(self, api_key="", **answers):
        self.session = Session(**answers)
        return Worker(Maestro(Settings("q", "amqp://x", "http://host/api/v1/worker", api_key), self.session))

    def handle(self, worker, body):
        return worker.handle(body, self.pauses.append)

    def test_good_job_is_started_logged_finished_and_acked(self):
        outcome = self.handle(self.worker("key"), message(steps=2, seconds_per_step=0))
        self.assertIs(outcome, Outcome.ACK)
        expected = "start log cancellation log cancellation log cancellation finish".split()
        self.assertEqual(self.session.actions(), expected)
        method, url, data, headers = self.session.calls[0]
        self.assertEqual((method, url), ("POST", f"http://host/api/v1/worker/jobs/{JOB_ID}/start"))
        self.assertEqual((data, headers), (None, {"Content-Type": "application/json", "X-Worker-API-Key": "key"}))
        self.assertEqual(self.session.finished(), [{"status": "completed", "result": {"steps": 2}}])

    def test_conflict_at_start_skips_the_job(self):
        self.assertIs(self.handle(self.worker(start=[409]), message()), Outcome.ACK)
        self.assertEqual(self.session.actions(), ["start"])

    def test_other_statuses_at_start_are_no_success(self):
        for status, outcome in ((404, Outcome.REJECT), (202, Outcome.REJECT), (401, Outcome.REQUEUE)):
            self.assertIs(self.handle(self.worker(start=[status]), message()), outcome)
            self.assertEqual(self.session.actions(), ["start"])

    def test_busy_server_is_asked_again(self):
        answers = [503, requests.RequestException("refused"), 429, 204]
        worker = self.worker(start=answers)
        self.assertIs(self.handle(worker, message(steps=0)), Outcome.ACK)
        self.assertEqual(len(self.pauses), 3)

    def test_absent_server_gives_the_message_back(self):
        worker = self.worker(start=[requests.RequestException("refused")])
        self.assertIs(self.handle(worker, message()), Outcome.REQUEUE)

    def test_result_that_could_not_be_sent_is_kept_and_the_work_not_repeated(self):
        worker = self.worker(finish=[503] * worker_example.HTTP_ATTEMPTS + [200])
        self.assertIs(self.handle(worker, message(steps=0)), Outcome.REQUEUE)
        self.assertIs(self.handle(worker, message(steps=0)), Outcome.ACK)
        self.assertIs(self.handle(worker, message(steps=0)), Outcome.ACK)
        self.assertEqual(self.session.actions().count("start"), 1)
        self.assertEqual(self.session.actions().count("finish"), worker_example.HTTP_ATTEMPTS + 1)

    def test_failure_is_reported(self):
        self.handle(self.worker(), message(steps=1, seconds_per_step=0, fail=True))
        self.assertEqual(self.session.finished()[0]["status"], "failed")
        self.handle(self.worker(), message(steps="many"))
        self.assertIn("parameter steps", self.session.finished()[0]["result"]["error"])

    def test_cancellation_stops_between_steps_and_within_a_long_one(self):
        self.handle(self.worker(cancellation=[False, True]), message(steps=9, seconds_per_step=0))
        self.assertEqual(self.session.finished()[0]["status"], "canceled")
        self.handle(self.worker(cancellation=[False, False, True]), message(steps=1, seconds_per_step=60))
        self.assertEqual(self.session.finished()[0]["status"], "canceled")
        self.assertEqual(self.pauses, [5.0, 5.0])

    def test_lost_logs_do_not_lose_the_job(self):
        self.handle(self.worker(log=[500]), message(steps=1, seconds_per_step=0))
        self.assertEqual(self.session.finished()[0]["status"], "completed")

    def test_crash_dies_between_start_and_finish(self):
        with mock.patch.object(worker_example.os, "_exit", side_effect=SystemExit) as die:
            with self.assertRaises(SystemExit):
                self.handle(self.worker(), message(steps=2, seconds_per_step=0, crash=True))
        die.assert_called_once_with(9)
        self.assertEqual((self.session.actions()[0], "finish" in self.session.actions()), ("start", False))

    def test_message_that_is_no_job_is_rejected(self):
        good = json.loads(message())
        bodies = [b"", b"\xff", b"[]", b"null"]
        for change in ({"job_id": "7"}, {"job_id": 7}, {"automation_id": "3"}, {"parameters": None}, {"script_path": 1}):
            bodies.append(json.dumps(good | change).encode())
        for name in ("job_id", "automation_id", "script_path", "parameters"):
            bodies.append(json.dumps({key: value for key, value in good.items() if key != name}).encode())
        for body in bodies:
            with self.subTest(body):
                self.assertIs(self.handle(self.worker(), body), Outcome.REJECT)
                self.assertEqual(self.session.calls, [])

    def test_pause_lasts_without_a_broker(self):
        broken = worker_example.pika.exceptions.AMQPError
        for is_open in (True, False):
            connection = mock.Mock(is_open=is_open)
            connection.sleep.side_effect = broken if is_open else ValueError("closed")
            with mock.patch.object(worker_example.time, "sleep") as sleep:
                worker_example.pause_on(connection, 2.0)
            self.assertAlmostEqual(sleep.call_args.args[0], 2.0, delta=0.5)

    def test_extra_keys_are_fine(self):
        self.assertEqual(Job.parse(message(a=1)).parameters, {"a": 1})


if __name__ == "__main__":
    unittest.main()
