use serde_json::{Value, json};

use super::{JOB, hook::with};

const CHAIN: &str = "019ac1d9-3b77-7f20-b5d1-90c2a4e6f816";

fn chain_rules() -> Value {
    json!({
        "name": "After both", "inputs": [
            {"automation_id": 7, "on": "completed", "condition": {"pointer": "/invoices/count", "operator": "gt", "value": 0}},
            {"automation_id": 8, "on": "any"}
        ],
        "join": "all_today", "not_before": "07:30", "timezone": "America/Sao_Paulo", "parameters": {"month": "2026-11"},
        "parameters_from": [{"parameter": "files", "pointer": "/files", "automation_id": 7}]
    })
}

pub(crate) fn chain() -> Value {
    let more = json!({
        "id": CHAIN, "automation_id": 9, "automation_name": "Post invoices", "enabled": true, "inputs": [
            {
                "automation_id": 7, "automation_name": "Download invoices", "on": "completed",
                "condition": {"pointer": "/invoices/count", "operator": "gt", "value": 0}
            },
            {"automation_id": 8, "automation_name": "Download receipts", "on": "any", "condition": null}
        ],
        "state": "active", "state_reason": null, "since_at": "2026-11-26T08:12:40.115Z", "revision": 1,
        "created_at": "2026-11-26T08:12:40.115Z", "updated_at": "2026-11-26T08:12:40.115Z", "updated_by": "maria"
    });
    with(chain_rules(), more)
}

pub(crate) fn chain_create() -> Value {
    with(chain_rules(), json!({"automation_id": 9}))
}

pub(crate) fn chain_update() -> Value {
    json!({"join": "any", "not_before": null, "revision": 1})
}

pub(crate) fn chain_run() -> Value {
    json!({
        "key": "2026-11-26", "root_job_id": JOB, "after_job_id": JOB, "due_at": "2026-11-26T10:30:00Z", "state": "created", "reason": null,
        "detail": null, "job_id": "019ac1f0-7a3e-7c41-9f0a-3b1f5d2c8e02", "created_at": "2026-11-26T09:14:02.310Z"
    })
}
