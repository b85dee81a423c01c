use serde_json::{Value, json};

use super::DOMAIN;

const PLAN: &str = "019ac1db-2f6c-7a18-9c3e-7d40b1f5a6d4";
const CHANNEL: &str = "019ac1db-2f6c-7a18-9c3e-7d40b1f5a6c2";

pub(crate) fn report_plan() -> Value {
    json!({
        "id": PLAN, "name": "Finance, each Monday", "period": "weekly", "weekday": "monday", "at": "07:30",
        "timezone": "America/Sao_Paulo", "domain_id": DOMAIN, "channels": [CHANNEL], "enabled": true, "due_at": "2026-11-30T10:30:00Z",
        "last_sent_at": "2026-11-23T10:30:04Z", "revision": 2, "created_at": "2026-11-16T08:00:00Z", "created_by": "maria",
        "updated_at": "2026-11-26T08:20:00Z", "updated_by": "maria"
    })
}

pub(crate) fn report_plan_create() -> Value {
    json!({"name": "Finance, each Monday", "period": "weekly", "at": "07:30", "domain_id": DOMAIN, "channels": [CHANNEL]})
}

pub(crate) fn report_plan_update() -> Value {
    json!({"at": "06:00", "weekday": "friday"})
}

pub(crate) fn report_plan_sent() -> Value {
    json!({"notifications": ["019ac1db-2f6c-7a18-9c3e-7d40b1f5a6e8"]})
}
