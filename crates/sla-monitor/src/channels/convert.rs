//! Rows as the API shows them.

use domain::notification::channel::{Channel, Draft};
use serde_json::{Value, json};

pub(super) fn channel(channel: &Channel) -> api_types::Channel {
    let Channel { id, draft, enabled, disabled_reason, sealed, revision, created_at, created_by, updated_at, updated_by } = channel.clone();
    let Draft { name, settings, language, routing, quiet_hours, group_wait_s, templates } = draft;
    api_types::Channel {
        id,
        name,
        kind: settings.kind(),
        // As it is tagged, beside its kind.
        settings: json!(settings).get_mut("settings").map(Value::take).unwrap_or_default(),
        secrets: sealed.names,
        old_secret_until: sealed.old_until,
        language,
        routing,
        quiet_hours,
        group_wait_s,
        templates,
        enabled,
        disabled_reason,
        revision,
        created_at,
        created_by,
        updated_at,
        updated_by,
    }
}
