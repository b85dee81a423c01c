use serde_json::{Value, json};

use super::{DOMAIN, hook::with};

const CHANNEL: &str = "019ac1db-2f6c-7a18-9c3e-7d40b1f5a6c2";

fn settings() -> Value {
    json!({
        "host": "smtp.example.com", "port": 587, "security": "starttls", "username": "regente", "from": "regente@example.com",
        "from_name": "Regente", "to": ["automation@example.com"]
    })
}

fn routing() -> Value {
    json!({"min_severity": "error", "types": ["LATE", "FAILURE"], "domains": [DOMAIN], "labels": []})
}

fn quiet_hours() -> Value {
    json!({"timezone": "America/Sao_Paulo", "from": "22:00", "until": "07:00", "days": []})
}

pub(crate) fn channel() -> Value {
    json!({
        "id": CHANNEL, "name": "Automation team", "kind": "email", "settings": settings(), "secrets": ["password"], "old_secret_until": null,
        "language": "pt-BR", "routing": routing(), "quiet_hours": quiet_hours(), "group_wait_s": 10, "templates": {}, "enabled": true,
        "disabled_reason": null, "revision": 3, "created_at": "2026-11-26T08:00:00Z", "created_by": "maria",
        "updated_at": "2026-11-26T08:20:00Z", "updated_by": "maria"
    })
}

pub(crate) fn channel_create() -> Value {
    json!({
        "name": "Automation team", "kind": "email", "settings": settings(), "secrets": {"password": "the password of the account"},
        "routing": routing(), "quiet_hours": quiet_hours()
    })
}

pub(crate) fn channel_update() -> Value {
    json!({"group_wait_s": 30, "quiet_hours": null, "secrets": {"password": "the new password"}})
}

pub(crate) fn channel_rotate() -> Value {
    json!({"keep_old_s": 3600})
}

pub(crate) fn channel_shown() -> Value {
    with(
        channel(),
        json!({"kind": "webhook", "settings": {"url": "https://alerts.example.com/regente"}, "secrets": ["signing_secret"],
        "signing_secret": "whsec_cmVnZW50ZS1leGFtcGxlLW9mLWEtc2VjcmV0LTAx"}),
    )
}

pub(crate) fn channel_test() -> Value {
    json!({"sent": true, "status": 250, "answer": "2.0.0 Ok: queued as 4F1", "took_ms": 412})
}
