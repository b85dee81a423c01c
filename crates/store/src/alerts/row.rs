//! An alert as a row.

use domain::{
    alert::{Alert, AlertSource, AlertType, End, Key, Resolution, Severity, Subject},
    ids::AutomationId,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Error, entity::alert::Model};

pub(super) fn to_row(alert: &Alert) -> Result<Model, Error> {
    let (key, (subject_kind, subject_name)) = (alert.key.to_string(), alert.key.subject.parts());
    let (acknowledged_at, acknowledged_by) = alert.acknowledged.clone().unzip();
    Ok(Model {
        id: alert.id.get(),
        open_key: alert.holds_key.then(|| key.clone()),
        key,
        rule_id: alert.key.rule_id.map(Into::into),
        source: alert.source.as_str().to_owned(),
        alert_type: alert.key.alert_type.as_str().to_owned(),
        subject_kind: subject_kind.to_owned(),
        subject_name,
        automation_id: alert.automation_id.map(AutomationId::get),
        severity: alert.severity.as_str().to_owned(),
        status: alert.status().as_str().to_owned(),
        terms: to_json(&alert.terms)?,
        facts: to_json(&alert.facts)?,
        count: alert.count,
        opened_at: alert.opened_at,
        began_at: alert.began_at,
        breach_at: alert.breach_at,
        last_seen_at: alert.last_seen_at,
        fine_since: alert.fine_since,
        told_at: alert.told_at,
        acknowledged_at,
        acknowledged_by,
        resolved_at: alert.resolved.as_ref().map(|end| end.at),
        resolved_by: alert.resolved.as_ref().and_then(|end| end.by.clone()),
        resolution: alert.resolved.as_ref().map(|end| end.why.as_str().to_owned()),
        muted_until: alert.muted_until,
        due_at: alert.due_at(),
        revision: alert.revision,
    })
}

pub(super) fn from_row(row: Model) -> Result<Alert, Error> {
    let id = row.id;
    let corrupt = |column: &str| Error::Corrupt(format!("alerts.{column} of {id}"));
    let alert_type = AlertType::parse(&row.alert_type).ok_or_else(|| corrupt("alert_type"))?;
    let subject = Subject::from_parts(&row.subject_kind, &row.subject_name).ok_or_else(|| corrupt("subject_name"))?;
    let why = row.resolution.as_deref().map(|why| Resolution::parse(why).ok_or_else(|| corrupt("resolution"))).transpose()?;
    let resolved = row.resolved_at.map(|at| End { at, by: row.resolved_by, why: why.unwrap_or(Resolution::Recovered) });
    Ok(Alert {
        id: id.into(),
        key: Key { rule_id: row.rule_id.map(Into::into), alert_type, subject },
        automation_id: row.automation_id.map(Into::into),
        source: AlertSource::parse(&row.source).ok_or_else(|| corrupt("source"))?,
        severity: Severity::parse(&row.severity).ok_or_else(|| corrupt("severity"))?,
        terms: from_json(row.terms).ok_or_else(|| corrupt("terms"))?,
        facts: from_json(row.facts).ok_or_else(|| corrupt("facts"))?,
        count: row.count,
        opened_at: row.opened_at,
        began_at: row.began_at,
        breach_at: row.breach_at,
        last_seen_at: row.last_seen_at,
        fine_since: row.fine_since,
        told_at: row.told_at,
        acknowledged: row.acknowledged_at.zip(row.acknowledged_by),
        resolved,
        muted_until: row.muted_until,
        holds_key: row.open_key.is_some(),
        revision: row.revision,
    })
}

fn to_json(value: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Refused(error.to_string()))
}

fn from_json<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}
