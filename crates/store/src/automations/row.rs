use domain::{
    audit::is_secret_property,
    automation::{EntrypointType, QueueProfile},
    policy::{ConcurrencyKey, OnWorkerLost, Overlap, Pause, Policy},
};
use sea_orm::ActiveValue::Set;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{Automation, Draft};
use crate::{Error, entity::automation};

/// The row without id, times and pause, which the caller sets.
pub(super) fn to_row(draft: &Draft) -> Result<automation::ActiveModel, Error> {
    let refused = |error: serde_json::Error| Error::Refused(error.to_string());
    let retry_policy = serde_json::to_value(&draft.retry_policy).map_err(refused)?;
    let policy = &draft.policy;
    let rate_limit = policy.rate_limit.map(serde_json::to_value).transpose().map_err(refused)?;
    Ok(automation::ActiveModel {
        name: Set(draft.name.clone()),
        description: Set(draft.description.clone()),
        queue_name: Set(draft.queue_name.clone()),
        queue_profile: Set(draft.queue_profile.unwrap_or_default().as_str().to_owned()),
        queue_profile_named: Set(draft.queue_profile.is_some()),
        entrypoint_type: Set(draft.entrypoint_type.as_str().to_owned()),
        script_path: Set(draft.script_path.clone()),
        parameter_schema: Set(draft.parameter_schema.clone()),
        default_params: Set(Value::Object(draft.default_params.clone())),
        timeout_s: Set(draft.timeout_s),
        max_concurrency: Set(draft.max_concurrency),
        manual_minutes: Set(draft.manual_minutes),
        priority: Set(draft.priority),
        retry_policy: Set(retry_policy),
        queue_timeout_s: Set(policy.queue_timeout_s),
        cancel_grace_s: Set(policy.cancel_grace_s),
        concurrency_key: Set(policy.concurrency_key.as_ref().map(ToString::to_string)),
        concurrency_key_limit: Set(policy.concurrency_key_limit),
        rate_limit: Set(rate_limit),
        overlap: Set(policy.overlap.as_str().to_owned()),
        on_worker_lost: Set(policy.on_worker_lost.map(|rule| rule.as_str().to_owned())),
        requires: Set(policy.requires.clone().into()),
        display: Set(policy.display),
        cpu_limit: Set(policy.cpu_limit),
        memory_limit_bytes: Set(policy.memory_limit_bytes),
        updated_by: Set(draft.updated_by.clone()),
        domain_id: Set(draft.domain_id.map(Into::into)),
        labels: Set(Some(draft.labels.clone().into())),
        ..Default::default()
    })
}

pub(super) fn from_row(row: automation::Model) -> Result<Automation, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("automations.{column} of {}", row.id));
    let queue_profile = QueueProfile::parse(&row.queue_profile).ok_or_else(|| corrupt("queue_profile"))?;
    let draft = Draft {
        queue_profile: row.queue_profile_named.then_some(queue_profile),
        entrypoint_type: EntrypointType::parse(&row.entrypoint_type).ok_or_else(|| corrupt("entrypoint_type"))?,
        default_params: row.default_params.as_object().cloned().ok_or_else(|| corrupt("default_params"))?,
        retry_policy: serde_json::from_value(row.retry_policy.clone()).map_err(|_| corrupt("retry_policy"))?,
        policy: policy_of(&row)?,
        labels: row.labels.clone().map(serde_json::from_value).transpose().map_err(|_| corrupt("labels"))?.unwrap_or_default(),
        domain_id: row.domain_id.map(Into::into),
        name: row.name,
        description: row.description,
        queue_name: row.queue_name,
        script_path: row.script_path,
        parameter_schema: row.parameter_schema,
        timeout_s: row.timeout_s,
        max_concurrency: row.max_concurrency,
        manual_minutes: row.manual_minutes,
        priority: row.priority,
        updated_by: row.updated_by,
    };
    let (until, reason, by) = (row.paused_until, row.paused_reason, row.paused_by.unwrap_or_default());
    let pause = row.paused_at.map(|at| Pause { at, until, reason, by });
    Ok(Automation { id: row.id.into(), draft, pause, archived_at: row.archived_at, created_at: row.created_at, updated_at: row.updated_at })
}

fn policy_of(row: &automation::Model) -> Result<Policy, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("automations.{column} of {}", row.id));
    let key = row.concurrency_key.as_deref().map(ConcurrencyKey::parse).transpose().map_err(|_| corrupt("concurrency_key"))?;
    let rate_limit = row.rate_limit.clone().map(serde_json::from_value).transpose().map_err(|_| corrupt("rate_limit"))?;
    let on_worker_lost = row.on_worker_lost.as_deref().map(|rule| OnWorkerLost::parse(rule).ok_or_else(|| corrupt("on_worker_lost")));
    Ok(Policy {
        queue_timeout_s: row.queue_timeout_s,
        cancel_grace_s: row.cancel_grace_s,
        concurrency_key: key,
        concurrency_key_limit: row.concurrency_key_limit,
        rate_limit,
        overlap: Overlap::parse(&row.overlap).ok_or_else(|| corrupt("overlap"))?,
        on_worker_lost: on_worker_lost.transpose()?,
        requires: serde_json::from_value(row.requires.clone()).map_err(|_| corrupt("requires"))?,
        display: row.display,
        cpu_limit: row.cpu_limit,
        memory_limit_bytes: row.memory_limit_bytes,
    })
}

/// An automation in the audit trail: values that its schema calls secret are masked there.
pub(super) struct Audited<'a>(pub(super) &'a automation::Model);

impl Serialize for Audited<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = self.0.clone();
        if let (Some(schema), Some(defaults)) = (&self.0.parameter_schema, shown.default_params.as_object_mut()) {
            let secret = defaults.iter_mut().filter(|(name, _)| is_secret_property(&schema["properties"][name.as_str()]));
            // Of two masked values, a trail would not show that they differ.
            secret.for_each(|(_, value)| *value = json!({"secret": value.take()}));
        }
        shown.serialize(serializer)
    }
}
