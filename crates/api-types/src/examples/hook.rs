use serde_json::{Value, json};

use super::JOB;

const HOOK: &str = "019ac1d9-3b77-7f20-b5d1-90c2a4e6f815";

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
pub(super) fn with(mut rules: Value, more: Value) -> Value {
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
