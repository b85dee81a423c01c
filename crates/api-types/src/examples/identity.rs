use serde_json::{Value, json};

use super::DOMAIN;

pub(crate) fn grant() -> Value {
    json!({
        "id": "019ac1d4-90aa-7b3e-8d15-4c7f0a2b6e91", "right": "operator", "domain_id": DOMAIN, "automation_id": null, "label": null,
        "source": "manual", "granted_by": "maria", "granted_at": "2026-11-20T09:14:03.250Z"
    })
}

pub(crate) fn grant_create() -> Value {
    json!({"right": "operator", "domain_id": DOMAIN})
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

pub(crate) fn audit_entry() -> Value {
    json!({
        "id": "019ac1f2-6b1c-7a52-8f0e-2d4b6a8c9e10", "at": "2026-11-26T08:31:12.004512Z", "actor": "maria", "actor_kind": "user",
        "credential": "session:019ac1e0-3c5d-7b21-9a4e-6f8d0c2b4a68", "address": "203.0.113.7", "request_id": "4bf92f3577b34da6",
        "action": "automation.update", "target_kind": "automation", "target_id": "7", "before": {"priority": 5}, "after": {"priority": 9},
        "seq": 4711, "prev_hash": "8d0f3f5e6d3c1b2a9f8e7d6c5b4a39281706f5e4d3c2b1a0f9e8d7c6b5a49382",
        "hash": "1f2e3d4c5b6a79880716253443526170f1e2d3c4b5a69788796a5b4c3d2e1f00"
    })
}
