//! Rows as the API shows them.

use domain::hook::Rules;
use store::hooks::{Delivery, Hook};

pub(super) fn hook(hook: &Hook) -> api_types::Hook {
    let Hook { id, automation_id, name, token, old_token, signature, old_secret, rules, paused, .. } = hook.clone();
    let Hook { created_at, created_by, updated_at, updated_by, .. } = hook.clone();
    let Rules { parameters, mapping, filter, dedup } = rules;
    let (paused_at, paused_by) = paused.unzip();
    api_types::Hook {
        id,
        automation_id,
        name,
        token_prefix: token.prefix,
        old_token_until: old_token.map(|(_, until)| until),
        signature,
        old_secret_until: old_secret.map(|(_, until)| until),
        parameters,
        mapping,
        filter,
        dedup,
        paused_at,
        paused_by,
        created_at,
        created_by,
        updated_at,
        updated_by,
    }
}

/// A delivery with its body, where it is loaded and kept.
pub(super) fn delivery(delivery: Delivery) -> api_types::HookDelivery {
    let Delivery { id, hook_id: _, received_at, outcome, status, reason, dedup_key, parameters, job_id, .. } = delivery;
    let Delivery { address, request_id, headers, body, body_bytes, redelivery_of, .. } = delivery;
    api_types::HookDelivery {
        id,
        received_at,
        outcome,
        status,
        reason,
        dedup_key,
        job_id,
        parameters,
        address,
        request_id,
        headers,
        body_bytes,
        redelivery_of,
        body: body.map(|body| String::from_utf8_lossy(&body).into_owned()),
    }
}
