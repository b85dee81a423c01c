//! Applies a request to a draft and validates the result, so that only valid automations are stored.

use api_types::{AutomationCreate, AutomationUpdate};
use domain::{
    Fault,
    automation::{DEFAULT_PRIORITY, Limits, QueueProfile, default_queue_name},
    policy::{ConcurrencyKey, Policy, labels},
};
use runtime::Failure;
use serde_json::Value;
use store::automations::Draft;

/// A draft with defaults and the name of the request; `queue_profile` is the default profile.
pub(super) fn empty(request: &AutomationCreate, queue_profile: Option<QueueProfile>) -> Draft {
    Draft { queue_name: default_queue_name(&request.name), queue_profile, priority: DEFAULT_PRIORITY, ..Draft::default() }
}

/// `faults` are those found so far; the schema of the request is already checked.
pub(super) fn changed(mut draft: Draft, mut request: AutomationUpdate, mut faults: Vec<Fault>) -> Result<Draft, Failure> {
    faults.extend(change_policy(&mut draft.policy, &mut request));
    set(&mut draft.name, request.name.map(|name| name.trim().to_owned()));
    set(&mut draft.description, request.description);
    set(&mut draft.queue_name, request.queue_name);
    set(&mut draft.queue_profile, request.queue_profile);
    set(&mut draft.entrypoint_type, request.entrypoint_type);
    set(&mut draft.script_path, request.script_path);
    set(&mut draft.parameter_schema, request.parameter_schema);
    set(&mut draft.default_params, request.default_params);
    set(&mut draft.timeout_s, request.timeout_s);
    set(&mut draft.max_concurrency, request.max_concurrency);
    set(&mut draft.manual_minutes, request.manual_minutes);
    set(&mut draft.priority, request.priority);
    set(&mut draft.retry_policy, request.retry_policy);
    set(&mut draft.domain_id, request.domain_id);
    let own = request.labels.map(|given| labels(&given));
    set(&mut draft.labels, own.and_then(|labels| labels.map_err(|fault| faults.push(fault.under("labels"))).ok()));
    checked(draft, faults)
}

/// Returns the faults of fields that have types of their own.
fn change_policy(policy: &mut Policy, request: &mut AutomationUpdate) -> Vec<Fault> {
    let mut faults = Vec::new();
    set(&mut policy.queue_timeout_s, request.queue_timeout_s);
    set(&mut policy.cancel_grace_s, request.cancel_grace_s);
    let key = request.concurrency_key.take().map(|key| key.as_deref().map(ConcurrencyKey::parse).transpose());
    set(&mut policy.concurrency_key, key.and_then(|key| key.map_err(|fault| faults.push(fault)).ok()));
    set(&mut policy.concurrency_key_limit, request.concurrency_key_limit);
    set(&mut policy.rate_limit, request.rate_limit);
    set(&mut policy.overlap, request.overlap);
    set(&mut policy.on_worker_lost, request.on_worker_lost);
    let requires = request.requires.take().map(|given| labels(&given));
    set(&mut policy.requires, requires.and_then(|labels| labels.map_err(|fault| faults.push(fault.under("requires"))).ok()));
    set(&mut policy.display, request.display);
    set(&mut policy.cpu_limit, request.cpu_limit);
    set(&mut policy.memory_limit_bytes, request.memory_limit_bytes);
    faults
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// `faults` are those found so far.
fn checked(draft: Draft, mut faults: Vec<Fault>) -> Result<Draft, Failure> {
    let limits = Limits {
        name: &draft.name,
        queue_name: &draft.queue_name,
        script_path: &draft.script_path,
        priority: draft.priority,
        timeout_s: draft.timeout_s,
        max_concurrency: draft.max_concurrency,
        manual_minutes: draft.manual_minutes,
    };
    faults.extend(limits.faults());
    faults.extend(draft.retry_policy.faults().into_iter().map(|fault| fault.under("retry_policy")));
    faults.extend(draft.policy.faults());
    if draft.description.contains('\0') {
        faults.push(Fault::new("description", "must not contain NUL characters"));
    }
    faults.extend(domain::json::unkept(&draft.default_params).into_iter().map(|fault| fault.under("default_params")));
    if faults.is_empty() { Ok(draft) } else { Err(Failure::Invalid(faults)) }
}

/// A schema in its stored form, not validated yet.
pub(super) fn stored_schema(schema: Value) -> Result<Value, Vec<Fault>> {
    let under = |fault: Fault| fault.under("parameter_schema");
    let schema = domain::schema::normalise(schema).map_err(|faults| faults.into_iter().map(under).collect::<Vec<_>>())?;
    for (field, kind) in domain::schema::unknown_types(&schema) {
        tracing::warn!(field, r#type = kind, "unknown parameter type; the parameter is a string");
    }
    match domain::json::nul_path(&schema) {
        Some(path) => Err(vec![under(Fault::new(path, "must not contain NUL characters"))]),
        None => Ok(schema),
    }
}
