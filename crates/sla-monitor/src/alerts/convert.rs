//! Alerts between store and API.

use api_types::{AlertEvent, AlertFacts, AlertJob};
use domain::alert::{Alert, Facts};
use store::alerts::StoryLine;

pub(super) fn to_api(alert: Alert, automation_name: Option<String>, story: Vec<StoryLine>) -> api_types::Alert {
    let (status, muted_until) = (alert.status(), alert.silent_until());
    let Alert { id, key, automation_id, source, severity, terms, facts, count, opened_at, began_at, last_seen_at, fine_since, .. } = alert;
    let (subject_kind, subject) = key.subject.parts();
    let (acknowledged_at, acknowledged_by) = alert.acknowledged.unzip();
    let (resolved_at, resolved_by) = (alert.resolved.as_ref().map(|end| end.at), alert.resolved.as_ref().and_then(|end| end.by.clone()));
    let jobs = facts.job_ids.iter().map(|id| AlertJob { id: *id, url: format!("/api/v1/jobs/{id}") }).collect();
    api_types::Alert {
        id,
        alert_type: key.alert_type,
        severity,
        status,
        source,
        rule_id: key.rule_id,
        subject_kind: subject_kind.to_owned(),
        subject,
        automation_id,
        automation_name,
        facts: facts_to_api(facts),
        count,
        opened_at,
        began_at,
        last_seen_at,
        fine_since: fine_since.filter(|_| resolved_at.is_none()),
        acknowledged_at,
        acknowledged_by,
        resolved_at,
        resolved_by,
        resolution: alert.resolved.map(|end| end.why),
        muted_until: muted_until.filter(|_| resolved_at.is_none()),
        note: terms.note,
        channels: terms.channels,
        jobs,
        story: story.into_iter().map(|StoryLine { at, what, by, text }| AlertEvent { at, what, by, text }).collect(),
    }
}

fn facts_to_api(facts: Facts) -> AlertFacts {
    let Facts { expected_at, predicted_at, certainty, last_success_at, last_seen_at, measured, limit, unit, job_ids: _, .. } = facts;
    let Facts { error_class, error_message, summary, description, labels, url, .. } = facts;
    AlertFacts {
        expected_at,
        predicted_at,
        certainty,
        last_success_at,
        last_seen_at,
        measured,
        limit,
        unit,
        error_class,
        error_message,
        summary,
        description,
        labels,
        url,
    }
}
