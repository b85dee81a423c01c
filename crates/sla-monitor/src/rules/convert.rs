//! Between the API's, the store's and the domain's rules.

use std::collections::BTreeMap;

use api_types::{SlaDurationAnomaly, SlaEscalation, SlaFailureRate, SlaState, SlaUpdate};
use domain::{
    Fault,
    alert::{Escalation, Subject, Terms},
    ids::{AutomationId, DomainId},
    schedule::input::{MAX_NAME, time_of_day, time_of_day_text},
    sla::{DurationAnomaly, Expectations, FailureRate, RESOLVE_AFTER_MINUTES, Rule, Target},
};
use store::slas::{Sla, State};

/// A rule that expects nothing, of everything.
pub(super) fn empty(timezone: &str) -> Rule {
    Rule {
        name: String::new(),
        target: Target::Everything,
        expect: Expectations::default(),
        calendar_id: None,
        timezone: timezone.to_owned(),
        terms: Terms { resolve_after_minutes: RESOLVE_AFTER_MINUTES, ..Terms::default() },
        enabled: true,
    }
}

/// The rule with the changes of the request. What it cannot read has a fault and keeps its value.
pub(super) fn changed(mut rule: Rule, mut request: SlaUpdate) -> (Rule, Vec<Fault>) {
    let mut faults = Vec::new();
    match target(&rule.target, &mut request) {
        Ok(target) => rule.target = target,
        Err(found) => faults.extend(found),
    }
    if request.automation_id.is_none() && request.automation_name.is_some() {
        faults.push(Fault::new("automation_name", "must be omitted: automation_id says which automation a rule is about"));
    }
    match request.expected_daily_time.take().map(|text| text.map(|text| time_of_day("expected_daily_time", &text)).transpose()) {
        Some(Ok(time)) => rule.expect.expected_daily_time = time,
        Some(Err(fault)) => faults.push(fault),
        None => {}
    }
    set(&mut rule.name, request.name.take().map(|name| name.trim().to_owned()));
    set(&mut rule.calendar_id, request.calendar_id);
    set(&mut rule.timezone, request.timezone.take());
    set(&mut rule.enabled, request.enabled);
    set_terms(&mut rule.terms, &mut request);
    set_expectations(&mut rule.expect, &request);
    if rule.name.is_empty() {
        rule.name = name_of(&rule, None);
    }
    (rule, faults)
}

fn set_expectations(expect: &mut Expectations, request: &SlaUpdate) {
    set(&mut expect.expected_run_every_minutes, request.expected_run_every_minutes);
    set(&mut expect.early_minutes, request.early_minutes);
    set(&mut expect.late_after_minutes, request.late_after_minutes);
    set(&mut expect.alert_on_late, request.alert_on_late);
    set(&mut expect.alert_on_failure, request.alert_on_failure);
    set(&mut expect.failure_streak, request.failure_streak);
    let rate = |SlaFailureRate { percent, runs, window_minutes, at_least }| FailureRate { percent, runs, window_minutes, at_least };
    set(&mut expect.failure_rate, request.failure_rate.map(|given| given.map(rate)));
    set(&mut expect.max_duration_s, request.max_duration_s);
    set(&mut expect.min_duration_s, request.min_duration_s);
    let anomaly = |SlaDurationAnomaly { sensitivity }| DurationAnomaly { sensitivity };
    set(&mut expect.duration_anomaly, request.duration_anomaly.map(|given| given.map(anomaly)));
    set(&mut expect.forecast, request.forecast);
    set(&mut expect.max_pending_age_s, request.max_pending_age_s);
    set(&mut expect.max_backlog, request.max_backlog);
    set(&mut expect.worker_gone_after_s, request.worker_gone_after_s);
    set(&mut expect.alert_on_dead_schedule, request.alert_on_dead_schedule);
    set(&mut expect.watch_hub, request.watch_hub);
}

fn set_terms(terms: &mut Terms, request: &mut SlaUpdate) {
    let step = |SlaEscalation { after_minutes, severity }| Escalation { after_minutes, severity };
    set(&mut terms.severity, request.severity);
    set(&mut terms.escalate, request.escalate.take().map(|steps| steps.into_iter().map(step).collect()));
    set(&mut terms.repeat_every_minutes, request.repeat_every_minutes);
    set(&mut terms.resolve_after_minutes, request.resolve_after_minutes);
    set(&mut terms.channels, request.notify_channels.take());
    set(&mut terms.note, request.note.take());
    set(&mut terms.muted_until, request.muted_until);
}

/// What the rule is about: what the request gives takes the place of what was before.
fn target(before: &Target, request: &mut SlaUpdate) -> Result<Target, Vec<Fault>> {
    let (automation, queue, domain) = (request.automation_id, request.queue.take(), request.domain_id);
    let given: Vec<(&str, Target)> = [
        automation.flatten().map(|id| ("automation_id", Target::Automation(id))),
        queue.clone().flatten().map(|name| ("queue", Target::Queue(name))),
        domain.flatten().map(|id| ("domain_id", Target::Domain(id))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let is_cleared = match before {
        Target::Automation(_) => automation == Some(None),
        Target::Queue(_) => queue == Some(None),
        Target::Domain(_) => domain == Some(None),
        Target::Everything => false,
    };
    match given.as_slice() {
        [] => Ok(if is_cleared { Target::Everything } else { before.clone() }),
        [(_, target)] => Ok(target.clone()),
        [_, more @ ..] => {
            let fault =
                |(field, _): &(&str, Target)| Fault::new(*field, "must be omitted: a rule is about one automation, queue or domain");
            Err(more.iter().map(fault).collect())
        }
    }
}

/// The name of a rule that people do not name: what it is about, as people call that, and what it expects.
pub(super) fn name_of(rule: &Rule, called: Option<&str>) -> String {
    let about = match (&rule.target, called) {
        (Target::Automation(_), Some(name)) => name.to_owned(),
        (Target::Automation(id), None) => format!("Automation {id}"),
        (Target::Queue(name), _) => format!("Queue {name}"),
        (Target::Domain(_), Some(slug)) => format!("Domain {slug}"),
        (Target::Domain(id), None) => format!("Domain {id}"),
        (Target::Everything, _) => "Everything".to_owned(),
    };
    let (about, expects): (String, String) = (about.chars().take(MAX_NAME / 2).collect(), rule.expect.words().join(", "));
    format!("{about}: {expects}").chars().take(MAX_NAME).collect::<String>().trim_end().to_owned()
}

/// The automation, queue and domain that a rule is about: one at most.
pub(super) fn of_target(target: &Target) -> (Option<AutomationId>, Option<String>, Option<DomainId>) {
    match target {
        Target::Automation(id) => (Some(*id), None, None),
        Target::Queue(name) => (None, Some(name.clone()), None),
        Target::Domain(id) => (None, None, Some(*id)),
        Target::Everything => (None, None, None),
    }
}

/// A rule as the API shows it, with the states of its subjects and what these are called.
pub(super) fn shown(sla: Sla, states: Vec<State>, names: &BTreeMap<Subject, String>) -> api_types::Sla {
    let Sla { id, rule, since_at, wake_at, revision, created_at, updated_at, updated_by } = sla;
    let Rule { name, target, expect, calendar_id, timezone, terms, enabled } = rule;
    let (automation_id, queue, domain_id) = of_target(&target);
    let rate = |FailureRate { percent, runs, window_minutes, at_least }| SlaFailureRate { percent, runs, window_minutes, at_least };
    let step = |Escalation { after_minutes, severity }| SlaEscalation { after_minutes, severity };
    api_types::Sla {
        id,
        name,
        automation_id,
        automation_name: automation_id.and_then(|id| names.get(&Subject::Automation(id)).cloned()),
        queue,
        domain_id,
        expected_run_every_minutes: expect.expected_run_every_minutes,
        expected_daily_time: expect.expected_daily_time.map(time_of_day_text),
        early_minutes: expect.early_minutes,
        late_after_minutes: expect.late_after_minutes,
        alert_on_late: expect.alert_on_late,
        alert_on_failure: expect.alert_on_failure,
        failure_streak: expect.failure_streak,
        failure_rate: expect.failure_rate.map(rate),
        max_duration_s: expect.max_duration_s,
        min_duration_s: expect.min_duration_s,
        duration_anomaly: expect.duration_anomaly.map(|DurationAnomaly { sensitivity }| SlaDurationAnomaly { sensitivity }),
        forecast: expect.forecast,
        max_pending_age_s: expect.max_pending_age_s,
        max_backlog: expect.max_backlog,
        worker_gone_after_s: expect.worker_gone_after_s,
        alert_on_dead_schedule: expect.alert_on_dead_schedule,
        watch_hub: expect.watch_hub,
        calendar_id,
        timezone,
        severity: terms.severity,
        escalate: terms.escalate.into_iter().map(step).collect(),
        repeat_every_minutes: terms.repeat_every_minutes,
        resolve_after_minutes: terms.resolve_after_minutes,
        notify_channels: terms.channels,
        note: terms.note,
        enabled,
        muted_until: terms.muted_until,
        since_at,
        next_look_at: wake_at,
        states: states.into_iter().map(|one| state(one, names)).collect(),
        revision,
        created_at,
        updated_at,
        updated_by,
    }
}

fn state(State { key, known, .. }: State, names: &BTreeMap<Subject, String>) -> SlaState {
    let (kind, subject) = key.subject.parts();
    SlaState {
        alert_type: key.alert_type,
        subject_kind: kind.to_owned(),
        subject,
        subject_name: names.get(&key.subject).cloned(),
        standing: known.standing,
        breached_at: known.at,
        due_at: known.due_at,
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request(value: Value) -> SlaUpdate {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_rule_is_about_one_thing() {
        let (rule, faults) = changed(empty("UTC"), request(json!({"automation_id": 7, "alert_on_failure": true})));
        assert_eq!((rule.target.clone(), rule.name.as_str(), faults), (Target::Automation(7.into()), "Automation 7: no failure", vec![]));
        let (moved, _) = changed(rule.clone(), request(json!({"queue": "q", "automation_id": null})));
        assert_eq!(moved.target, Target::Queue("q".to_owned()));
        assert_eq!(changed(rule.clone(), request(json!({"automation_id": null}))).0.target, Target::Everything);
        assert_eq!(changed(rule.clone(), request(json!({"queue": null}))).0.target, rule.target);
        let (_, faults) = changed(rule, request(json!({"automation_id": 7, "queue": "q"})));
        assert_eq!(faults[0].field, "queue");
        let (_, faults) = changed(empty("UTC"), request(json!({"automation_name": "Invoices", "alert_on_failure": true})));
        assert_eq!(faults[0].field, "automation_name", "it is no rule for everything");
        let (_, faults) = changed(empty("UTC"), request(json!({"automation_id": 7, "automation_name": "Invoices"})));
        assert_eq!(faults, []);
        assert_eq!(changed(empty("UTC"), request(json!({"queue": "q", "automation_name": null}))).1, []);
    }

    #[test]
    fn what_is_absent_stays_and_null_clears() {
        let (rule, _) = changed(empty("UTC"), request(json!({"expected_daily_time": "10:00", "max_backlog": 5, "note": "call"})));
        let (same, _) = changed(rule.clone(), request(json!({"severity": "info"})));
        assert_eq!((same.expect.clone(), same.terms.note.as_str()), (rule.expect.clone(), "call"));
        let (cleared, faults) = changed(rule, request(json!({"expected_daily_time": null, "max_backlog": null})));
        assert_eq!((cleared.expect, faults), (Expectations::default(), vec![]));
        assert_eq!(changed(empty("UTC"), request(json!({"expected_daily_time": "25:00"}))).1[0].field, "expected_daily_time");
    }
}
