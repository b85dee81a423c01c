use serde_json::{Value, json};

use super::hook::with;

const NOTIFICATION: &str = "019ac5c3-52a7-7b10-9c3e-4d7a1f60b2c8";
const CHANNEL: &str = "019ac5b0-1f44-7a90-8b1d-3c5e7f9a0b21";
const ALERT: &str = "019ac5c3-4e02-7c31-a5f8-9b2d4e6f8a13";

pub(crate) fn notification() -> Value {
    json!({
        "id": NOTIFICATION, "channel_id": CHANNEL, "kind": "opened", "state": "sent", "reason": null,
        "title": "Faturamento está atrasado: esperado às 14:30, ainda não terminou (20 min)", "alert_ids": [ALERT], "notices": 1,
        "due_at": "2026-11-27T17:50:00.412Z", "attempts": 1, "status": 200, "answer": "ok", "reference": null,
        "created_at": "2026-11-27T17:50:00.412Z", "ended_at": "2026-11-27T17:50:00.731Z"
    })
}

pub(crate) fn notification_text() -> Value {
    json!({
        "title": "Faturamento está atrasado: esperado às 14:30, ainda não terminou (20 min)",
        "text": "- Gravidade: erro\n- Domínio: Fiscal\n- Em aberto desde: 14:50 (UTC-3)\n- Último sucesso: 14:12 de 26/11", "html": null
    })
}

pub(crate) fn notification_detail() -> Value {
    let tries = json!([{"at": "2026-11-27T17:50:00.438Z", "taken": true, "took_ms": 290, "status": 200, "answer": "ok"}]);
    with(notification(), json!({"message": notification_text(), "tries": tries}))
}

pub(crate) fn notification_preview() -> Value {
    json!({"kind": "opened", "alert_type": "LATE", "templates": {"opened.title": "[{{ alert.severity | upper }}] {{ alert.title }}"}})
}
