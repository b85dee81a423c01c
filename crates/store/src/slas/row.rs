use domain::{
    alert::Terms,
    sla::{Expectations, Rule, Target},
};
use sea_orm::ActiveValue::Set;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::Sla;
use crate::{Error, entity::sla};

/// The row without id, revision and times, which the caller sets.
pub(super) fn to_row(rule: &Rule) -> Result<sla::ActiveModel, Error> {
    let (automation_id, queue_name, domain_id) = match &rule.target {
        Target::Automation(id) => (Some(id.get()), None, None),
        Target::Queue(name) => (None, Some(name.clone()), None),
        Target::Domain(id) => (None, None, Some(id.get())),
        Target::Everything => (None, None, None),
    };
    Ok(sla::ActiveModel {
        name: Set(rule.name.clone()),
        automation_id: Set(automation_id),
        queue_name: Set(queue_name),
        domain_id: Set(domain_id),
        expect: Set(to_json(&rule.expect)?),
        calendar_id: Set(rule.calendar_id.map(Into::into)),
        timezone: Set(rule.timezone.clone()),
        terms: Set(to_json(&rule.terms)?),
        enabled: Set(rule.enabled),
        // From the first moment: a run may end before a monitor looks.
        follows: Set(rule.enabled && rule.expect.follows_runs()),
        ..Default::default()
    })
}

pub(super) fn from_row(row: sla::Model) -> Result<Sla, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("slas.{column} of {}", row.id));
    let target = match (row.automation_id, row.queue_name, row.domain_id) {
        (Some(id), ..) => Target::Automation(id.into()),
        (None, Some(name), _) => Target::Queue(name),
        (None, None, Some(id)) => Target::Domain(id.into()),
        (None, None, None) => Target::Everything,
    };
    let rule = Rule {
        target,
        expect: from_json::<Expectations>(row.expect).ok_or_else(|| corrupt("expect"))?,
        terms: from_json::<Terms>(row.terms).ok_or_else(|| corrupt("terms"))?,
        name: row.name,
        calendar_id: row.calendar_id.map(Into::into),
        timezone: row.timezone,
        enabled: row.enabled,
    };
    Ok(Sla {
        id: row.id.into(),
        rule,
        since_at: row.since_at,
        wake_at: row.wake_at,
        revision: row.revision,
        created_at: row.created_at,
        updated_at: row.updated_at,
        updated_by: row.updated_by,
    })
}

fn to_json(value: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Refused(error.to_string()))
}

fn from_json<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}
