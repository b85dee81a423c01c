//! Converts rows to API types.

use chrono::{DateTime, Utc};
use store::automations::Automation;

/// An automation at `now`; omits an expired pause.
pub(crate) fn automation(from: &Automation, now: DateTime<Utc>) -> api_types::Automation {
    let draft = from.draft.clone();
    let policy = draft.policy;
    let pause = from.pause.clone().filter(|pause| pause.holds(now));
    api_types::Automation {
        id: from.id,
        name: draft.name,
        description: draft.description,
        queue_name: draft.queue_name,
        queue_profile: draft.queue_profile,
        entrypoint_type: draft.entrypoint_type,
        script_path: draft.script_path,
        parameter_schema: draft.parameter_schema,
        default_params: draft.default_params,
        timeout_s: draft.timeout_s,
        max_concurrency: draft.max_concurrency,
        manual_minutes: draft.manual_minutes,
        priority: draft.priority,
        retry_policy: draft.retry_policy,
        queue_timeout_s: policy.queue_timeout_s,
        cancel_grace_s: policy.cancel_grace_s,
        concurrency_key: policy.concurrency_key.map(|key| key.to_string()),
        concurrency_key_limit: policy.concurrency_key_limit,
        rate_limit: policy.rate_limit,
        overlap: policy.overlap,
        on_worker_lost: policy.on_worker_lost,
        requires: policy.requires,
        display: policy.display,
        cpu_limit: policy.cpu_limit,
        memory_limit_bytes: policy.memory_limit_bytes,
        domain_id: draft.domain_id,
        labels: draft.labels,
        paused_at: pause.as_ref().map(|pause| pause.at),
        paused_until: pause.as_ref().and_then(|pause| pause.until),
        paused_reason: pause.as_ref().and_then(|pause| pause.reason.clone()),
        paused_by: pause.map(|pause| pause.by),
        archived_at: from.archived_at,
        created_at: from.created_at,
        updated_at: from.updated_at,
        updated_by: draft.updated_by,
        warnings: Vec::new(),
    }
}
