use serde_json::{Value, json};

use super::JOB;

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
