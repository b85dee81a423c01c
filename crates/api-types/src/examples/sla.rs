use serde_json::{Value, json};

use super::hook::with;

fn rules() -> Value {
    json!({
        "name": "Invoices by 14:30", "automation_id": 7, "expected_daily_time": "14:30", "late_after_minutes": 10, "alert_on_failure": true,
        "failure_rate": {"percent": 20, "runs": 10, "at_least": 5}, "duration_anomaly": {"sensitivity": "normal"}, "forecast": true,
        "timezone": "America/Sao_Paulo", "severity": "warning",
        "escalate": [{"after_minutes": 60, "severity": "critical"}], "note": "Call the tax team."
    })
}

pub(crate) fn sla() -> Value {
    let more = json!({
        "id": "019ac1d9-4c11-7a52-8e07-2f64c9b1d3aa", "automation_name": "Download invoices", "queue": null, "domain_id": null,
        "expected_run_every_minutes": null, "early_minutes": 180,
        "alert_on_late": true, "failure_streak": null, "max_duration_s": 3600, "min_duration_s": null, "max_pending_age_s": null,
        "max_backlog": null, "worker_gone_after_s": null, "alert_on_dead_schedule": false,
        "watch_hub": false, "calendar_id": null, "repeat_every_minutes": null, "resolve_after_minutes": 2, "notify_channels": [],
        "enabled": true, "muted_until": null, "since_at": "2026-11-26T08:12:40.115Z", "next_look_at": "2026-11-27T17:30:00Z",
        "states": [{
            "type": "LATE", "subject_kind": "automation", "subject": "7", "subject_name": "Download invoices", "standing": "fine",
            "breached_at": null, "due_at": "2026-11-27T17:30:00Z"
        }],
        "revision": 1, "created_at": "2026-11-26T08:12:40.115Z", "updated_at": "2026-11-26T08:12:40.115Z", "updated_by": "maria"
    });
    with(rules(), more)
}

pub(crate) fn sla_update() -> Value {
    rules()
}

pub(crate) fn sla_mute() -> Value {
    json!({"until": "2026-11-28T11:00:00Z"})
}
