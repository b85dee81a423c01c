//! Examples of the API's description: one automation, its jobs and its worker, as a hub shows them after a morning's work.

use serde_json::{Value, json};

const JOB: &str = "019ac1f0-7a3e-7c41-9f0a-3b1f5d2c8e01";
const WORKER: &str = "019ac1e2-11b0-7d05-8c9e-6a40b7f3d912";
const DOMAIN: &str = "019ac1d1-5c90-7e12-a0b4-2f6d8e1c7b03";
const HOOK: &str = "019ac1d9-3b77-7f20-b5d1-90c2a4e6f815";
const CALENDAR: &str = "019ac1d2-7f40-7b95-9a3c-5e1d0c8b7f26";
const LEASE: &str = "019ac1f0-8c02-7b77-a1d4-0e5c9b6f2a34";

pub(crate) fn job() -> Value {
    json!({
        "id": JOB, "job_id": JOB, "automation_id": 7, "queue_name": "invoices", "status": "running", "trigger": "API", "priority": 5,
        "parameters": {"cnpj": "12345678000195", "month": "2026-10"}, "result": null, "error_class": null, "error_message": null, "attempt": 1,
        "retry_of": null, "worker_id": WORKER, "progress": progress(), "created_at": "2026-11-26T08:29:58.412Z", "not_before": null,
        "dispatched_at": "2026-11-26T08:29:58.430Z", "started_at": "2026-11-26T08:30:00.107Z", "completed_at": null,
        "last_heartbeat_at": "2026-11-26T08:31:10.020Z", "lease_expires_at": "2026-11-26T08:31:40.020Z", "cancellation_requested_at": null,
        "paused_at": null, "concurrency_key": "portal-sefaz:12345678000195", "requested_by": "maria", "requires": ["windows"],
        "queue_deadline_at": null
    })
}

pub(crate) fn progress() -> Value {
    json!({"step": 3, "total_steps": 12, "percent": 25.0, "message": "Downloading invoices"})
}

pub(crate) fn waiting_reason() -> Value {
    json!({
        "code": "concurrency_limit", "message": format!("the automation's concurrency limit of 1 is reached by job {JOB}"),
        "facts": {"limit": 1, "held_by": [JOB]}
    })
}

pub(crate) fn job_event() -> Value {
    json!({
        "id": "019ac1f1-0d55-7e10-b3a2-4f8e7c6d5b40", "kind": "job.cancel_requested", "actor": "maria",
        "detail": {"reason": "The portal is down"}, "created_at": "2026-11-26T08:31:12.004Z"
    })
}

pub(crate) fn live_event() -> Value {
    json!({
        "event_id": "019ac1f0-8c11-7a02-9d31-5b0e8f6a7c22", "type": "job.started", "subject": format!("jobs/{JOB}"),
        "occurred_at": "2026-11-26T08:30:00.107412Z", "job_id": JOB, "automation_id": 7, "status": "running", "error_class": "",
        "worker_id": WORKER
    })
}

pub(crate) fn log_line() -> Value {
    json!({"log_id": 3, "timestamp": "2026-11-26T08:30:02.511Z", "level": "WARNING", "message": "The portal answered 503, trying again"})
}

pub(crate) fn automation() -> Value {
    json!({
        "id": 7, "name": "Download invoices", "description": "Fetches the month's invoices from the tax portal", "queue_name": "invoices",
        "queue_profile": "regente", "entrypoint_type": "PYTHON", "script_path": "invoices/main.py", "parameter_schema": parameter_schema(),
        "default_params": {"month": "2026-10"}, "timeout_s": 1800, "max_concurrency": 4, "priority": 5, "retry_policy": retry_policy(),
        "queue_timeout_s": 86400, "cancel_grace_s": 30, "concurrency_key": "portal-sefaz:{cnpj}", "concurrency_key_limit": 1,
        "rate_limit": {"max": 60, "per_s": 60.0}, "overlap": "queue", "on_worker_lost": "retry", "requires": ["windows"], "display": true,
        "cpu_limit": 2.0, "memory_limit_bytes": 2_147_483_648_u64, "domain_id": DOMAIN, "labels": ["tax"], "paused_at": null, "paused_until": null, "paused_reason": null,
        "paused_by": null, "archived_at": null, "created_at": "2026-03-02T13:05:44Z", "updated_at": "2026-11-20T09:14:03.250Z",
        "updated_by": "maria"
    })
}

fn parameter_schema() -> Value {
    json!({
        "type": "object", "required": ["cnpj"], "additionalProperties": false,
        "properties": {"cnpj": {"type": "string", "pattern": "^[0-9]{14}$"}, "month": {"type": "string"}}
    })
}

pub(crate) fn retry_policy() -> Value {
    json!({
        "max_attempts": 3, "backoff": "exponential", "base_s": 60.0, "max_s": 600.0, "jitter": 0.2, "on": ["PORTAL_DOWN", "RATE_LIMITED"],
        "never_on": []
    })
}

pub(crate) fn automation_create() -> Value {
    json!({
        "name": "Download invoices", "queue_name": "invoices", "script_path": "invoices/main.py", "parameter_schema": parameter_schema(),
        "timeout_s": 1800, "max_concurrency": 4, "retry_policy": {"max_attempts": 3, "base_s": 60}
    })
}

pub(crate) fn automation_update() -> Value {
    json!({"description": "Fetches the invoices of one month", "timeout_s": 3600, "max_concurrency": null})
}

pub(crate) fn parameters() -> Value {
    json!({"cnpj": "12345678000195", "month": "2026-10"})
}

pub(crate) fn job_create() -> Value {
    json!({"automation_id": 7, "parameters": parameters(), "priority": 8, "idempotency_key": "invoices-2026-10"})
}

pub(crate) fn bulk() -> Value {
    json!({"queue_name": "invoices", "created_from": "2026-11-26T00:00:00Z", "reason": "The wrong month was requested", "dry_run": true})
}

pub(crate) fn worker() -> Value {
    json!({
        "id": WORKER, "name": "robot-01", "state": "running", "queues": ["invoices"], "labels": ["windows"], "slots": 2, "running_jobs": 1,
        "version": "0.4.0", "hostname": "robot-01.example.com", "uses_broker": true, "cpu_percent": 37.5, "memory_bytes": 3_221_225_472_u64,
        "instance_id": "019a8f10-42c7-7a90-9d3b-5e6f7a8b9c0d", "pid": 4127, "registered_at": "2026-03-02T13:20:00Z",
        "last_heartbeat_at": "2026-11-26T08:31:10.020Z", "paused_at": null, "paused_by": null, "stopped_at": null
    })
}

pub(crate) fn domain() -> Value {
    json!({
        "id": DOMAIN, "slug": "finance", "name": "Finance", "created_at": "2026-03-02T13:05:44Z", "updated_at": "2026-03-02T13:05:44Z"
    })
}

pub(crate) fn domain_create() -> Value {
    json!({"slug": "finance", "name": "Finance"})
}

pub(crate) fn domain_update() -> Value {
    json!({"name": "Finance and tax"})
}

fn week() -> Value {
    let office = ["08:00-12:00", "13:00-18:00"];
    json!({"sunday": [], "monday": office, "tuesday": office, "wednesday": office, "thursday": office, "friday": office, "saturday": []})
}

fn blackouts() -> Value {
    json!([
        {"name": "Closing of the month", "cron_expression": "0 18 L * *", "minutes": 720},
        {"name": "Move of the data centre", "from": "2026-12-05T03:00:00Z", "to": "2026-12-06T03:00:00Z"}
    ])
}

pub(crate) fn calendar() -> Value {
    json!({
        "id": CALENDAR, "name": "São Paulo office", "week": week(), "holidays": ["br", "br-sp"],
        "days": [
            {"date": "2026-12-24", "name": "Christmas Eve", "works": true, "hours": ["08:00-12:00"]},
            {"date": "2027-01-25", "name": "Aniversário de São Paulo", "works": false, "hours": []}
        ],
        "blackouts": blackouts(), "created_at": "2026-11-20T09:14:03.250Z", "updated_at": "2026-11-26T08:02:11.004Z", "updated_by": "maria"
    })
}

pub(crate) fn calendar_summary() -> Value {
    json!({
        "id": CALENDAR, "name": "São Paulo office", "week": week(), "holidays": ["br", "br-sp"], "day_count": 2, "blackout_count": 2,
        "created_at": "2026-11-20T09:14:03.250Z", "updated_at": "2026-11-26T08:02:11.004Z", "updated_by": "maria"
    })
}

pub(crate) fn calendar_create() -> Value {
    json!({
        "name": "São Paulo office", "week": week(), "holidays": ["br", "br-sp"],
        "days": [{"date": "2027-01-25", "name": "Aniversário de São Paulo"}, {"date": "2026-12-24", "hours": ["08:00-12:00"]}],
        "blackouts": blackouts()
    })
}

pub(crate) fn calendar_update() -> Value {
    json!({"holidays": ["br-bank"], "updated_at": "2026-11-26T08:02:11.004Z"})
}

pub(crate) fn explained_day() -> Value {
    json!({"date": "2026-11-20", "business_day": false, "hours": [], "reason": "holiday", "names": ["Dia Nacional de Zumbi e da Consciência Negra"]})
}

pub(crate) fn holiday() -> Value {
    json!({"date": "2026-02-18", "name": "Quarta-feira de Cinzas", "until": "14:00"})
}

pub(crate) fn calendar_import() -> Value {
    json!({
        "dry_run": true, "format": "ics", "added": 1, "changed": 0, "removed": 0,
        "days": [{"change": "added", "date": "2027-01-25", "name": "Aniversário de São Paulo", "hours": []}]
    })
}

pub(crate) fn grant() -> Value {
    json!({
        "id": "019ac1d4-90aa-7b3e-8d15-4c7f0a2b6e91", "right": "operator", "domain_id": DOMAIN, "automation_id": null, "label": null,
        "source": "manual", "granted_by": "maria", "granted_at": "2026-11-20T09:14:03.250Z"
    })
}

pub(crate) fn grant_create() -> Value {
    json!({"right": "operator", "domain_id": DOMAIN})
}

pub(crate) fn queue() -> Value {
    json!({
        "name": "invoices", "waiting": 12, "running": 4, "paused_at": "2026-11-26T08:00:00Z", "paused_until": "2026-11-26T10:00:00Z",
        "paused_reason": "Maintenance of the portal", "paused_by": "maria"
    })
}

pub(crate) fn health() -> Value {
    json!({"status": "ok", "version": "0.4.0", "database": "ok", "broker": "ok", "uptime_s": 86400, "now": "2026-11-26T08:31:12.004Z",
        "time_zones": time_zones()})
}

pub(crate) fn time_zones() -> Value {
    json!({"version": "2026f", "source": "bundled"})
}

pub(crate) fn login() -> Value {
    json!({"username": "maria", "password": "the password"})
}

pub(crate) fn sign_in_ways() -> Value {
    json!({"password": true, "anonymous": false, "oidc": {"name": "ACME", "start": "https://regente.example.com/api/v1/auth/oidc/start"}})
}

pub(crate) fn oidc_token() -> Value {
    json!({"code": "the code", "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"})
}

pub(crate) fn refresh() -> Value {
    json!({"refresh_token": "rgr_…"})
}

pub(crate) fn change_password() -> Value {
    json!({"current_password": "the password", "new_password": "another password"})
}

pub(crate) fn user() -> Value {
    json!({
        "id": "019a0c55-7d1e-7b02-8f6a-5c9e0d1b2a43", "username": "maria.silva", "email": "maria.silva@example.com",
        "display_name": "Maria Silva", "is_active": true, "must_change_password": false, "created_at": "2026-03-02T13:05:44Z"
    })
}

pub(crate) fn user_create() -> Value {
    json!({"username": "maria.silva", "email": "maria.silva@example.com", "display_name": "Maria Silva"})
}

pub(crate) fn user_update() -> Value {
    json!({"email": "maria@example.com"})
}

pub(crate) fn password_reset() -> Value {
    json!({"must_change_password": true})
}

pub(crate) fn api_key_create() -> Value {
    json!({"name": "Month end", "grants": [{"right": "operator", "automation_id": 7}], "expires_at": "2027-11-26T00:00:00Z"})
}

pub(crate) fn api_key() -> Value {
    json!({
        "id": "019a8c55-7d1e-7b02-8f6a-5c9e0d1b2a43", "owner_id": "019a0c55-7d1e-7b02-8f6a-5c9e0d1b2a43", "owner": "maria.silva",
        "name": "Month end", "prefix": "rgk_Zr8kQ2mX", "grants": [{"right": "operator", "automation_id": 7}],
        "created_at": "2026-11-26T08:29:58.412Z", "expires_at": "2027-11-26T00:00:00Z", "revoked_at": null, "revoked_by": null,
        "last_used_at": null
    })
}

pub(crate) fn worker_token_create() -> Value {
    json!({"name": "Robots of accounting", "queues": ["invoices"], "expires_at": "2027-11-26T00:00:00Z"})
}

pub(crate) fn goodbye() -> Value {
    json!({"worker_id": WORKER})
}

pub(crate) fn heartbeat() -> Value {
    json!({"worker_id": WORKER, "jobs": [{"job_id": JOB, "lease_token": LEASE}], "cpu_percent": 37.5, "memory_bytes": 3_221_225_472_u64})
}

pub(crate) fn claim() -> Value {
    json!({"worker_id": WORKER, "queues": ["invoices"], "max": 2, "wait_s": 30.0, "holding": [JOB]})
}

pub(crate) fn start() -> Value {
    json!({"worker_id": WORKER})
}

pub(crate) fn finish() -> Value {
    json!({"status": "failed", "error_class": "PORTAL_DOWN", "error_message": "The portal answered 503"})
}

pub(crate) fn report() -> Value {
    json!({"job_id": JOB, "lease_token": LEASE, "finish": finish()})
}

pub(crate) fn replay() -> Value {
    json!({"queue": "invoices", "limit": 100, "dry_run": true})
}

pub(crate) fn audit_entry() -> Value {
    json!({
        "id": "019ac1f2-6b1c-7a52-8f0e-2d4b6a8c9e10", "at": "2026-11-26T08:31:12.004512Z", "actor": "maria", "actor_kind": "user",
        "credential": "session:019ac1e0-3c5d-7b21-9a4e-6f8d0c2b4a68", "address": "203.0.113.7", "request_id": "4bf92f3577b34da6",
        "action": "automation.update", "target_kind": "automation", "target_id": "7", "before": {"priority": 5}, "after": {"priority": 9},
        "seq": 4711, "prev_hash": "8d0f3f5e6d3c1b2a9f8e7d6c5b4a39281706f5e4d3c2b1a0f9e8d7c6b5a49382",
        "hash": "1f2e3d4c5b6a79880716253443526170f1e2d3c4b5a69788796a5b4c3d2e1f00"
    })
}

pub(crate) fn hook_signature() -> Value {
    json!({"scheme": "github"})
}

fn hook_rules() -> Value {
    json!({
        "name": "GitHub: pushes to main", "signature": hook_signature(), "parameters": {"source": "github"},
        "mapping": {"commit": {"pointer": "/after", "required": true}, "branch": {"pointer": "/ref"}},
        "filter": [
            {"header": "X-GitHub-Event", "operator": "eq", "value": "push"},
            {"pointer": "/ref", "operator": "eq", "value": "refs/heads/main"}
        ],
        "dedup": {"header": "X-GitHub-Delivery"}
    })
}

/// `rules` with more fields.
fn with(mut rules: Value, more: Value) -> Value {
    if let (Some(rules), Value::Object(more)) = (rules.as_object_mut(), more) {
        rules.extend(more);
    }
    rules
}

pub(crate) fn hook() -> Value {
    let more = json!({
        "id": HOOK, "automation_id": 7, "token_prefix": "rgh_5kQ0vXa1", "old_token_until": null, "old_secret_until": null, "paused_at": null,
        "paused_by": null, "created_at": "2026-11-26T08:12:40.115Z", "created_by": "maria", "updated_at": "2026-11-26T08:12:40.115Z",
        "updated_by": "maria"
    });
    with(hook_rules(), more)
}

pub(crate) fn hook_create() -> Value {
    with(hook_rules(), json!({"automation_id": 7}))
}

pub(crate) fn hook_update() -> Value {
    json!({"filter": [{"header": "X-GitHub-Event", "operator": "in", "value": ["push", "release"]}]})
}

pub(crate) fn hook_rotate() -> Value {
    json!({"what": "token", "keep_old_s": 86400})
}

pub(crate) fn hook_shown() -> Value {
    with(hook(), json!({"token": "rgh_5kQ0vXa1…", "secret": "Zr8nT3…"}))
}

pub(crate) fn hook_answer() -> Value {
    json!({"outcome": "accepted", "job_id": JOB})
}

pub(crate) fn hook_delivery() -> Value {
    json!({
        "id": "019ac1f0-7a31-7d48-8e0b-6a19c4f2d703", "received_at": "2026-11-26T08:29:58.401Z", "outcome": "accepted", "status": 202,
        "reason": null, "dedup_key": "72d3162e-cc78-11e3-81ab-4c9367dc0958", "job_id": JOB,
        "parameters": {"source": "github", "commit": "6dcb09b5b57875f334f61aebed695e2e4193db5e", "branch": "refs/heads/main"},
        "address": "140.82.115.7", "request_id": "019ac1f0-7a30-7b11-9f4e-5d2c8a6b1e90",
        "headers": {"content-type": "application/json", "user-agent": "GitHub-Hookshot/044aadd", "x-github-event": "push"},
        "body_bytes": 7421, "redelivery_of": null
    })
}

const SCHEDULE: &str = "019ac1f3-2e4a-7d06-b1c8-9f0a7b6d5c43";

fn schedule_words() -> Value {
    json!({"pt_br": "de segunda a sexta-feira às 07:30", "en": "every weekday at 07:30"})
}

fn next_fires() -> Value {
    json!([
        {"slot_at": "2026-11-27T10:30:00Z", "local": "2026-11-27T07:30:00", "run_at": "2026-11-27T10:30:00Z"},
        {"slot_at": "2026-11-30T10:30:00Z", "local": "2026-11-30T07:30:00", "run_at": "2026-11-30T10:30:00Z"}
    ])
}

pub(crate) fn schedule() -> Value {
    let when = json!({
        "id": SCHEDULE, "automation_id": 7, "automation_name": "Download invoices", "name": "Every weekday",
        "cron_expression": "30 7 * * 1-5", "interval_s": null, "run_once_at": null, "timezone": "America/Sao_Paulo",
        "words": schedule_words(), "calendar_id": null, "calendar_rule": "only", "business_day": null, "on_blackout": "skip",
        "window_start": null, "window_end": null, "jitter_s": 0, "start_at": null, "end_at": null, "enabled": true,
        "misfire_policy": "skip", "misfire_limit": 100, "misfire_grace_s": 60
    });
    let job = json!({
        "parameters": {"cnpj": "12345678000195", "month": "{{first_of_last_month|yyyy-MM}}"}, "priority": null, "timeout_s": 3600,
        "max_attempts": null, "retry_backoff_s": null, "overlap": "skip", "max_concurrency": null, "queue_timeout_s": null,
        "cancel_grace_s": null, "concurrency_key": null, "version_id": null, "environment": null
    });
    let state = json!({
        "state": "active", "state_reason": null, "next_fires": next_fires(), "last_fires": [fire()], "paused_at": null,
        "paused_until": null, "paused_reason": null, "paused_by": null, "revision": 3, "created_at": "2026-03-02T13:05:44Z",
        "updated_at": "2026-11-20T09:14:03.250Z", "updated_by": "maria"
    });
    let parts = [when, job, state].into_iter().filter_map(|part| part.as_object().cloned());
    Value::Object(parts.flatten().collect())
}

pub(crate) fn schedule_create() -> Value {
    json!({
        "automation_id": 7, "name": "Every weekday", "cron_expression": "30 7 * * 1-5",
        "parameters": {"cnpj": "12345678000195", "month": "{{first_of_last_month|yyyy-MM}}"}
    })
}

pub(crate) fn schedule_update() -> Value {
    json!({"cron_expression": "0 8 * * 1-5", "window_start": null, "window_end": null, "revision": 3})
}

pub(crate) fn fire() -> Value {
    json!({
        "schedule_id": SCHEDULE, "schedule_name": "Every weekday", "automation_id": 7, "slot_at": "2026-11-26T10:30:00Z",
        "local": "2026-11-26T07:30:00", "last_slot_at": "2026-11-26T10:30:00Z", "slots": 1, "more": false,
        "run_at": "2026-11-26T10:30:00Z", "state": "created", "reason": null, "detail": null, "job_id": JOB,
        "decided_at": "2026-11-26T10:30:00.125Z", "lateness_s": 0.125
    })
}

pub(crate) fn schedule_preview() -> Value {
    json!({
        "cron_expression": "30 7 * * 1-5", "timezone": "America/Sao_Paulo", "words": schedule_words(), "next_fires": next_fires()
    })
}

pub(crate) fn schedule_import() -> Value {
    json!({
        "dry_run": true, "basis": "5f2b9f6f0e6a4c1d8b7a3e2c1d0f9e8b", "created": [{"automation": "Download invoices", "name": "Month end"}],
        "changed": [{
            "automation": "Download invoices", "name": "Every weekday",
            "fields": [{"field": "cron_expression", "before": "30 7 * * 1-5", "after": "0 8 * * 1-5"}]
        }],
        "removed": [], "unchanged": 4
    })
}

#[cfg(test)]
mod tests {
    use serde::{Serialize, de::DeserializeOwned};
    use utoipa::PartialSchema;

    use super::*;
    use crate::schema;

    /// Whether `whole` has all that `part` has, with the same values: times and numbers are compared as they are written.
    fn has(whole: &Value, part: &Value) -> bool {
        match (whole, part) {
            (Value::Object(whole), Value::Object(part)) => {
                part.iter().all(|(key, value)| whole.get(key).map_or(value.is_null(), |kept| has(kept, value)))
            }
            (Value::Array(whole), Value::Array(part)) => whole.len() == part.len() && whole.iter().zip(part).all(|(a, b)| has(a, b)),
            (whole, part) => whole == part || (whole.is_number() && whole.as_f64() == part.as_f64()),
        }
    }

    fn reads<T: PartialSchema + Serialize + DeserializeOwned>() {
        let name = std::any::type_name::<T>();
        let example = serde_json::to_value(T::schema()).unwrap()["example"].take();
        assert!(example.is_object(), "{name} has no example");
        let read: T = serde_json::from_value(example.clone()).unwrap_or_else(|error| panic!("the example of {name}: {error}"));
        let written = serde_json::to_value(read).unwrap();
        assert!(has(&written, &example), "{name} keeps not all of its example:\n{example}\n{written}");
    }

    #[test]
    fn each_example_is_read_as_its_type() {
        reads::<crate::ApiKey>();
        reads::<crate::ApiKeyCreate>();
        reads::<crate::Automation>();
        reads::<crate::AutomationCreate>();
        reads::<crate::AutomationUpdate>();
        reads::<crate::BulkRequest>();
        reads::<crate::ClaimRequest>();
        reads::<crate::ControlRequest>();
        reads::<crate::FinishRequest>();
        reads::<crate::GoodbyeRequest>();
        reads::<crate::Health>();
        reads::<crate::HeartbeatRequest>();
        reads::<crate::Job>();
        reads::<crate::JobCreate>();
        reads::<crate::JobEvent>();
        reads::<crate::LogLine>();
        reads::<crate::LogRequest>();
        reads::<crate::LoginRequest>();
        reads::<crate::PasswordReset>();
        reads::<crate::PauseRequest>();
        reads::<crate::Problem>();
        reads::<crate::Progress>();
        reads::<crate::Queue>();
        reads::<crate::RegisterRequest>();
        reads::<crate::ReplayRequest>();
        reads::<crate::Report>();
        reads::<crate::RetryRequest>();
        reads::<crate::Fire>();
        reads::<crate::Schedule>();
        reads::<crate::ScheduleBulkResponse>();
        reads::<crate::ScheduleImport>();
        reads::<crate::SchedulePauseRequest>();
        reads::<crate::SchedulePreview>();
        reads::<crate::ScheduleResumeRequest>();
        reads::<crate::ScheduleUpdate>();
        reads::<crate::StartRequest>();
        reads::<crate::StartResponse>();
        reads::<crate::User>();
        reads::<crate::UserCreate>();
        reads::<crate::UserUpdate>();
        reads::<crate::WaitingReason>();
        reads::<crate::Worker>();
        reads::<crate::WorkerTokenCreate>();
        reads::<schema::RetryPolicy>();
    }
}
