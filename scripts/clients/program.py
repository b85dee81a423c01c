"""What a program in Python does with the client that openapi-python-client makes of docs/openapi.json."""

import datetime
import io
import sys

from regente_client import AuthenticatedClient, Client
from regente_client.api.automations import automations_create, automations_execute
from regente_client.api.calendars import calendars_create, calendars_import
from regente_client.api.identity import identity_login
from regente_client.api.jobs import jobs_list
from regente_client.api.schedules import schedules_import
from regente_client.models import (
    AutomationCreate,
    AutomationsExecuteBodyType0,
    CalendarCreate,
    CalendarFile,
    ErrorClass,
    JobStatus,
    LoginRequest,
    Overlap,
    Problem,
    RateLimit,
    RetryPolicy,
)
from regente_client.types import File

url, password = sys.argv[1:]
with Client(base_url=url) as anybody:
    signed_in = identity_login.sync(client=anybody, body=LoginRequest(username="admin", password=password))
with AuthenticatedClient(base_url=url, token=signed_in.access_token, raise_on_unexpected_status=True) as api:
    automation = automations_create.sync(
        client=api,
        body=AutomationCreate(
            name="Made in Python",
            script_path="main.py",
            overlap=Overlap.SKIP,
            requires=["python"],
            rate_limit=RateLimit(max_=5, per_s=1.0),
            retry_policy=RetryPolicy(max_attempts=3, on=[ErrorClass.PORTAL_DOWN]),
        ),
    )
    parameters = AutomationsExecuteBodyType0.from_dict({"cnpj": "12345678000195"})
    job = automations_execute.sync(automation.id, client=api, body=parameters, priority=9, idempotency_key="python")
    listed = jobs_list.sync(
        client=api,
        status=[JobStatus.PENDING, JobStatus.FAILED],
        automation_id=automation.id,
        created_from=datetime.date(2026, 1, 1),
        limit=10,
    )
    assert job.priority == 9 and [(one.id, one.status) for one in listed] == [(job.id, JobStatus.PENDING)], listed

    refused = automations_create.sync(client=api, body=AutomationCreate(name=" ", script_path="main.py"))
    assert isinstance(refused, Problem) and refused.errors[0].field == "name", refused
    def file(text):
        return File(payload=io.BytesIO(text.encode()), file_name="file")

    document = "automations:\n  Made in Python:\n    Every weekday:\n      cron_expression: 30 7 * * 1-5\n"
    done = schedules_import.sync(client=api, body=file(document))
    assert [(one.automation, one.name) for one in done.created] == [("Made in Python", "Every weekday")], done
    calendar = calendars_create.sync(client=api, body=CalendarCreate(name="Made in Python"))
    for body, added in [
        (file("date,name\n2027-01-25,Aniversário de São Paulo\n"), 1),
        (file("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261224\nEND:VEVENT\nEND:VCALENDAR\n"), 1),
        (CalendarFile(file=file("date\n2026-12-24\n2026-12-31\n")), 1),
    ]:
        imported = calendars_import.sync(calendar.id, client=api, body=body)
        assert imported.added == added, imported
    print(f"a job from Python: {job.id}")
