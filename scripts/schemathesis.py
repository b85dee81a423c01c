"""What the hub may refuse although its description allows it: rules that no JSON Schema can state, and what schemathesis takes for valid.

scripts/schemathesis.toml loads this file. A request that the description allows and the hub refuses is a finding, unless each fault of the answer
is one of these.
"""

import itertools
import os
import re

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

ANY = ".*"


def longer_in_bytes(value):
    return isinstance(value, str) and not value.isascii()


def beyond_patterns(value):
    return isinstance(value, str) and any(character > "\uffff" for character in value)


def written_as_fraction(value):
    return str(value).endswith(".0")


# (status and operation, field, message) as patterns, and what the value must be. Fields are paths in the body, parameters or headers.
UNSTATED = [
    # The time of the request decides.
    (ANY, "until|expires_at|not_before", "must be in the future|must be within ten years"),
    # The years of RFC 3339 begin with 0, those of a database do not.
    (ANY, ANY, "must be in the years 1 to 9999"),
    # JSON Schema counts characters; names of queues, keys and paths are counted in bytes.
    (ANY, ANY, r"must have (1 to|at most) \d+ bytes", longer_in_bytes),
    # Above U+FFFF there is no way to name a character in a pattern that all engines read alike.
    (ANY, ANY, "control or invisible characters", beyond_patterns),
    # An object that may have any key and value may still have no NUL, and no number that would lose digits.
    ("422 (POST .*/(jobs|retry|automations)|PUT .*)", "(parameters|default_params|parameter_schema)/.*", "NUL characters|more digits than"),
    # A schema has rules of its own, and bounds of what checking it may cost.
    ("422 (POST|PUT) .*/automations.*", "parameter_schema(/.*)?", ANY),
    # An automation's own schema and key template judge the parameters of its jobs.
    ("422 POST .*/execute", ANY, ANY),
    ("422 POST .*/jobs(/{id}/retry)?", "parameters(/.*)?|concurrency_key", ANY),
    # A template of a key has a grammar.
    ("422 (POST|PUT) .*/automations.*", "concurrency_key", r"has a [{}]|must name a parameter"),
    # Two places for one key, and a key that an earlier request used.
    ("(400|422) POST .*", "(?i)idempotency.key", "differs from the header|was used before"),
    # One condition of several must be there.
    ("422 POST .*/bulk/.*", "ids", "must be there"),
    ("422 POST .*/schedules/bulk/.*", "all|until", "another condition|is required|must be there"),
    # An expression has a grammar, zones and calendars a list, and what a schedule says of time must go together.
    ("422 (POST|PUT) .*/schedules(/{id})?", ANY, ANY),
    ("400 GET .*/schedules/preview", ANY, ANY),
    # A rule is about one thing and expects something, what it expects must go together, and what it names must be there.
    ("422 (POST|PUT) .*/slas(/{id})?", ANY, ANY),
    # The channels and the domain must be there, the day belongs to weekly plans, a zone is one of the list.
    ("422 (POST|PUT) .*/report-plans(/{id})?", ANY, ANY),
    # Zones have a list, names and pointers a grammar, inputs must be there and must not close a circle.
    ("422 (POST|PUT) .*/chains(/{id})?", ANY, ANY),
    # The end of a period depends on its beginning.
    ("400 GET .*/(calendars/{id}/days|schedules/fires)", "to", "must be after from|must not be before from|days after from"),
    # Where a page ends is known from its answer alone.
    ("400 GET .*/(schedules/fires|chains/{id}/runs)", "after", "is not the end of a page|must not contain NUL"),
    # A link that is inferred gives the id of one resource to the route of another, or none as the word for it.
    ("400 .*", ANY, 'Path deserialize error: (UUID parsing failed|can not parse "None" to a i32)'),
    # What is in a file has a grammar of its own; so have zones.
    ("(400|422) POST .*/schedules/import", ANY, ANY),
    ("(400|422) POST .*/calendars/{id}/import", "(file|timezone|until|format)?", ANY),
    # Times of a day are in order, and a blackout is one of two kinds.
    ("422 (POST|PUT) .*/calendars(/{id})?", "(days|blackouts|week)(/.*)?", ANY),
    # Settings and secrets are those of the channel's kind, addresses are public, zones have a list, domains must be there.
    ("(400|422) (POST|PUT) .*/channels(/{id}(/rotate)?)?", "(settings|secrets|signing_secret|quiet_hours|routing)(/.*)?", ANY),
    # Channels must be there, and templates have a grammar.
    ("422 POST .*/notifications/preview", "channel_id|templates(/.*)?", ANY),
    # Zones have a list, and the days of a calendar end.
    ("400 GET .*/reports(/page)?", "timezone|date", ANY),
    # A condition has a pointer or a header, and a value that its operator can use; a signature has what its scheme needs.
    ("422 (POST|PUT) .*/hooks(/{hook}(/rotate)?)?", "(filter|mapping|dedup|signature|secret|parameters)(/.*)?", ANY),
    # One of two fields must be there.
    ("422 POST .*/log", "message|entries", "is required|must not|cannot"),
    # A path has one reading, whatever its parameters allow.
    ("400 .*", "path", ANY),
    # Who signs in has one name of two, or shows a refresh token; only the hub knows the current password and the account's names.
    ("422 POST .*/auth/login", "username|email", "is missing|must not be there beside"),
    ("422 POST /auth/token", "grant_type|username|password|refresh_token", "is missing|must be password or refresh_token"),
    ("422 POST .*/auth/change-password", "current_password|new_password", "current password|user name or e-mail"),
    # Nor is any list of the commonest passwords in a description.
    (ANY, "(new_)?password", "commonest passwords"),
    # A grant is at one place, and what is about the hub is granted everywhere.
    ("422 POST .*/(grants|api-keys)", r"(grants/\d+/)?(right|label|domain_id|automation_id)", "must be the only one|absent where another place|narrowed"),
    # A number of JSON has two texts, a path and a query have one: 7 and not 7.0.
    ("400 .*", "id|automation_id", "can not parse|must be an integer|invalid digit", written_as_fraction),
    # Only the hub knows which domains, automations and users there are.
    (ANY, r"(.*/)?(domain_id|automation_id|owner_id)", "is no (domain|automation|user)"),
    # A token of somebody with a narrow grant names their queues.
    ("422 POST .*/worker-tokens", r"queues(/\d+)?", "of your automations"),
    # What only services of the hub may say.
    ("422 POST .*/jobs", "trigger|requested_by|schedule_id|overlap|max_concurrency|retry_backoff_s|version_id|environment|traceparent", "only by a service"),
    # "*" stands alone, and is for workers that claim.
    ("422 POST .*/worker/.*", r"queues/\d+", r'"\*"'),
    # What `GET` answered can be sent back with a change, and only so.
    ("422 PUT .*", ANY, "not changed by this request"),
    # schemathesis takes the empty text for a UUID or a time where null is allowed too.
    (ANY, ANY, r"UUID parsing failed: invalid length: (expected.*)?found 0|premature end of input|X-Lease-Token is not a UUID"),
]


def sent(case, field):
    """The value of a field, as far as the request has it."""
    value = case.body
    try:
        for step in field.split("/"):
            value = value[int(step) if isinstance(value, list) else step]
        return value
    except (KeyError, IndexError, TypeError, ValueError):
        return (case.query or {}).get(field, (case.path_parameters or {}).get(field))


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keeps a failure, unless it is a refusal for nothing but unstated rules."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    operation, problem = f"{response.status_code} {case.operation.label}", response.json()
    faults = problem.get("errors") or [{"field": "", "message": problem["detail"]}]

    def is_unstated(fault):
        field, message = fault["field"], fault["message"]
        return any(
            re.fullmatch(rule[0], operation)
            and re.fullmatch(rule[1], field)
            and re.search(rule[2], message)
            and all(fits(sent(case, field)) for fits in rule[3:])
            for rule in UNSTATED
        )

    return not all(is_unstated(fault) for fault in faults)


GATEWAYS = itertools.cycle(os.environ.get("HUB_URLS", "").split() or [None])


@schemathesis.hook
def before_call(context, case, kwargs):
    """A claim may wait a minute for a job; the run does not. Of several gateways, the next one gets the request."""
    case.operation.base_url = next(GATEWAYS) or case.operation.base_url
    if case.operation.label.endswith("/claim") and isinstance(case.body, dict) and isinstance(case.body.get("wait_s"), float):
        case.body["wait_s"] = min(case.body["wait_s"], 0.1)
