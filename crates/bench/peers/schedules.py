"""APScheduler as it runs in production: schedules in PostgreSQL, a pool of threads, and a job row in the same PostgreSQL for each that is due.

A line of the input is a request in JSON, a line of the output its answer. Rows of many schedules are copies of the one that the library wrote, so
that a measurement does not wait for the library to write them one by one.
"""

import json
import os
import pickle
import sys
import threading
import time
import uuid
from datetime import datetime, timezone

import apscheduler
import psycopg
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

DATABASE = os.environ["BENCH_DATABASE_URL"]
# The library's own default.
THREADS = 10
MANY = 1000

connections = threading.local()
committed = []
given_up = threading.Event()


def fire(schedule):
    if given_up.is_set():
        return
    if not hasattr(connections, "own"):
        connections.own = psycopg.connect(DATABASE, autocommit=True)
    connections.own.execute(
        "INSERT INTO jobs (id, schedule, status, parameters, created_at) VALUES (%s, %s, 'pending', '{\"n\":1}', now())",
        (uuid.uuid4(), schedule),
    )
    # The row is committed.
    committed.append(time.time())


store = SQLAlchemyJobStore(DATABASE.replace("postgres://", "postgresql+psycopg://", 1))
scheduler = BackgroundScheduler(
    jobstores={"default": store},
    executors={"default": ThreadPoolExecutor(THREADS)},
    # However late it is, it runs.
    job_defaults={"misfire_grace_time": None},
    timezone=timezone.utc,
)


def insert(prefix, count, trigger):
    at = trigger.get_next_fire_time(None, datetime.now(timezone.utc))
    scheduler.add_job(fire, trigger, args=["template"], id="template")
    template = scheduler.get_job("template").__getstate__()
    scheduler.remove_job("template")
    rows = []
    for number in range(count):
        name = f"{prefix}-{number}"
        state = pickle.dumps({**template, "id": name, "args": (name,)}, store.pickle_protocol)
        rows.append({"id": name, "next_run_time": at.timestamp(), "job_state": state})
    with store.engine.begin() as connection:
        for begin in range(0, count, MANY):
            connection.execute(store.jobs_t.insert(), rows[begin : begin + MANY])


def create(count, month, **_):
    """Schedules of a day of this month."""
    insert("idle", count, CronTrigger(month=month, day=1, hour=7, minute=30, timezone=timezone.utc))
    scheduler.wakeup()
    return {"schedules": count}


def prepare(due, at, **_):
    """Schedules of every day, due at this time of day."""
    # Who gave up a round leaves the scheduler in the middle of it.
    given_up.set()
    with scheduler._jobstores_lock:
        with store.engine.begin() as connection:
            connection.execute(store.jobs_t.delete().where(store.jobs_t.c.id.startswith("due-")))
    while scheduler._executors["default"]._instances:
        time.sleep(0.1)
    committed.clear()
    given_up.clear()
    clock = datetime.fromtimestamp(at, timezone.utc)
    insert("due", due, CronTrigger(hour=clock.hour, minute=clock.minute, second=clock.second, timezone=timezone.utc))
    scheduler.wakeup()
    return {"schedules": due}


def observe(due, at, limit_s, **_):
    """How late each job row was committed, in milliseconds, of those that were by the limit."""
    while len(committed) < due and time.time() < at + limit_s:
        time.sleep(0.05)
    return {"late_ms": [1000 * (then - at) for then in committed[:due]]}


def read(fires, **_):
    """The next fires of every schedule."""
    answer = []
    for job in scheduler.get_jobs():
        times = [job.next_run_time]
        while len(times) < fires:
            times.append(job.trigger.get_next_fire_time(times[-1], times[-1]))
        answer.append({"id": job.id, "next_fires": [time.isoformat() for time in times]})
    return {"schedules": answer}


REQUESTS = {"create": create, "prepare": prepare, "observe": observe, "read": read}


def main():
    with psycopg.connect(DATABASE) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS jobs (id uuid PRIMARY KEY, schedule text NOT NULL, status text NOT NULL,"
            " parameters jsonb NOT NULL, created_at timestamptz NOT NULL)"
        )
    scheduler.start()
    print(json.dumps({"name": f"APScheduler {apscheduler.__version__}"}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(REQUESTS[request["request"]](**request)), flush=True)
    scheduler.shutdown(wait=False)


main()
