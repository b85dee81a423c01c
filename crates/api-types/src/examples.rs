//! Examples of the API's description: one automation, its jobs and its worker, as a hub shows them after a morning's work.

mod activity;
mod alert;
mod calendar;
mod chain;
mod channel;
mod hook;
mod identity;
mod notification;
mod report_plan;
mod schedule;
mod sla;

use serde_json::{Value, json};

pub(crate) use self::{
    activity::activity_report,
    alert::{alert, alertmanager},
    calendar::{calendar, calendar_create, calendar_import, calendar_summary, calendar_update, explained_day, holiday},
    chain::{chain, chain_create, chain_run, chain_update},
    channel::{channel, channel_create, channel_rotate, channel_shown, channel_test, channel_update},
    hook::{hook, hook_answer, hook_create, hook_delivery, hook_rotate, hook_shown, hook_signature, hook_update},
    identity::{
        api_key, api_key_create, audit_entry, change_password, grant, grant_create, login, oidc_token, password_reset, refresh,
        sign_in_ways, user, user_create, user_update,
    },
    notification::{notification, notification_detail, notification_preview, notification_text},
    report_plan::{report_plan, report_plan_create, report_plan_sent, report_plan_update},
    schedule::{fire, schedule, schedule_create, schedule_import, schedule_preview, schedule_update},
    sla::{sla, sla_mute, sla_update},
};

const JOB: &str = "019ac1f0-7a3e-7c41-9f0a-3b1f5d2c8e01";
const WORKER: &str = "019ac1e2-11b0-7d05-8c9e-6a40b7f3d912";
const DOMAIN: &str = "019ac1d1-5c90-7e12-a0b4-2f6d8e1c7b03";
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
        reads::<crate::Alert>();
        reads::<crate::AlertBulkRequest>();
        reads::<crate::AlertBulkResponse>();
        reads::<crate::AlertCommentRequest>();
        reads::<crate::AlertMuteRequest>();
        reads::<crate::AlertRequest>();
        reads::<crate::AlertmanagerResponse>();
        reads::<crate::ApiKey>();
        reads::<crate::ApiKeyCreate>();
        reads::<crate::Automation>();
        reads::<crate::AutomationCreate>();
        reads::<crate::AutomationUpdate>();
        reads::<crate::BulkRequest>();
        reads::<crate::Chain>();
        reads::<crate::ChainCreate>();
        reads::<crate::ChainRun>();
        reads::<crate::ChainUpdate>();
        reads::<crate::ClaimRequest>();
        reads::<crate::ControlRequest>();
        reads::<crate::FinishRequest>();
        reads::<crate::GoodbyeRequest>();
        reads::<crate::Sla>();
        reads::<crate::SlaMute>();
        reads::<crate::SlaUpdate>();
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
