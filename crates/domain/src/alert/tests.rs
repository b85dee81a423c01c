use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::ids::AlertId;

/// `minutes` after noon.
fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_780_800, 0).unwrap() + TimeDelta::minutes(minutes)
}

fn id(nth: u128) -> AlertId {
    Uuid::from_u128(nth).into()
}

fn key(alert_type: AlertType) -> Key {
    Key { rule_id: Some(Uuid::from_u128(7).into()), alert_type, subject: Subject::Automation(3.into()) }
}

fn look(alert_type: AlertType, seen: Seen, began: i64) -> Observation {
    let terms = Terms::default();
    Observation { key: key(alert_type), automation_id: Some(3.into()), source: AlertSource::Regente, terms, seen, at: at(began) }
}

fn breach(alert_type: AlertType, began: i64) -> Observation {
    look(alert_type, Seen::Breach(Box::default()), began)
}

fn fine(alert_type: AlertType) -> Observation {
    look(alert_type, Seen::Fine, 0)
}

fn kinds(entries: &[Entry]) -> Vec<AlertEventKind> {
    entries.iter().map(|entry| entry.what).collect()
}

/// A key, looked at one time after the other.
#[derive(Default)]
struct Incident {
    current: Option<Alert>,
    opened: u128,
}

impl Incident {
    /// What happened, to whichever alert.
    fn look(&mut self, observation: &Observation, now: i64) -> Vec<AlertEventKind> {
        let seen = observe(self.current.as_ref(), observation, id(self.opened + 1), at(now));
        let mut happened = Vec::new();
        if let Some((alert, entries)) = seen.changed {
            happened.extend(kinds(&entries));
            self.current = Some(alert).filter(|alert| alert.holds_key);
        }
        if let Some((alert, entries)) = seen.opened {
            assert!(self.current.is_none(), "one is open at most");
            happened.extend(kinds(&entries));
            self.current = Some(alert);
            self.opened += 1;
        }
        happened
    }

    fn alert(&mut self) -> &mut Alert {
        self.current.as_mut().unwrap()
    }
}

#[test]
fn a_breach_opens_one_alert_and_its_end_resolves_it() {
    use AlertEventKind::{Opened, Resolved};
    let mut incident = Incident::default();
    assert_eq!(incident.look(&fine(AlertType::Late), 0), []);
    assert_eq!(incident.look(&breach(AlertType::Late, 10), 11), [Opened]);
    for now in 12..400 {
        assert_eq!(incident.look(&breach(AlertType::Late, 10), now), [], "{now}");
    }
    let alert = incident.alert().clone();
    assert_eq!((alert.count, alert.opened_at, alert.began_at, alert.last_seen_at), (1, at(11), at(10), at(399)));
    assert_eq!(incident.look(&fine(AlertType::Late), 400), [Resolved]);
    assert_eq!((incident.look(&fine(AlertType::Late), 401), incident.current.is_none()), (vec![], true));
}

#[test]
fn another_breach_of_a_recurring_type_is_counted_and_a_state_is_not() {
    use AlertEventKind::{Opened, Repeated};
    let mut failures = Incident::default();
    for (began, expected) in [(0, Opened), (5, Repeated), (9, Repeated)] {
        assert_eq!(failures.look(&breach(AlertType::Failure, began), 10), [expected]);
    }
    assert_eq!(failures.look(&breach(AlertType::Failure, 9), 11), []);
    assert_eq!((failures.alert().count, failures.alert().began_at, failures.alert().breach_at), (3, at(0), at(9)));
    let mut backlog = Incident::default();
    for now in 0..5 {
        backlog.look(&breach(AlertType::QueueBacklog, now), now);
    }
    assert_eq!(backlog.alert().count, 1);
}

#[test]
fn what_is_fine_for_a_moment_does_not_flap() {
    use AlertEventKind::{Repeated, Resolved};
    let mut incident = Incident::default();
    let wait = |observation: Observation| Observation { terms: Terms { resolve_after_minutes: 2, ..Terms::default() }, ..observation };
    let (bad, good) = (wait(breach(AlertType::QueueBacklog, 0)), wait(fine(AlertType::QueueBacklog)));
    incident.look(&bad, 0);
    assert_eq!(incident.look(&good, 5), []);
    assert_eq!(incident.alert().due_at(), Some(at(7)));
    assert_eq!(incident.look(&bad, 6), [Repeated]);
    assert_eq!((incident.alert().count, incident.alert().due_at()), (2, None));
    incident.look(&good, 8);
    assert_eq!(incident.look(&good, 9), []);
    assert_eq!(incident.alert().fine_since, Some(at(8)));
    // Nobody needs to look again.
    let mut settled = incident.alert().clone();
    assert_eq!((kinds(&settled.settle(at(9))), kinds(&settled.settle(at(10)))), (vec![], vec![Resolved]));
    assert_eq!(incident.look(&good, 10), [Resolved]);
}

#[test]
fn it_becomes_worse_with_time_and_reminds_until_somebody_takes_it() {
    use AlertEventKind::{Escalated, Reminded};
    let terms = Terms {
        severity: Severity::Warning,
        escalate: [(30, Severity::Error), (60, Severity::Critical)]
            .map(|(after_minutes, severity)| Escalation { after_minutes, severity })
            .into(),
        repeat_every_minutes: Some(20),
        ..Terms::default()
    };
    let mut incident = Incident::default();
    incident.look(&Observation { terms, ..breach(AlertType::Late, 0) }, 0);
    let mut alert = incident.alert().clone();
    let mut happened = Vec::new();
    while let Some(due) = alert.due_at().filter(|due| *due < at(100)) {
        assert_eq!(alert.clone().settle(due - TimeDelta::seconds(1)), [], "nothing is early");
        happened.extend(kinds(&alert.settle(due)).into_iter().map(|what| (due, what)));
    }
    // An escalation is a reminder, too.
    assert_eq!(
        happened,
        [(20, Reminded), (30, Escalated), (50, Reminded), (60, Escalated), (80, Reminded)].map(|(min, what)| (at(min), what))
    );
    assert_eq!(alert.severity, Severity::Critical);
    let mut taken = incident.alert().clone();
    taken.acknowledge("ana", None, at(10)).unwrap();
    assert_eq!((taken.due_at(), taken.status(), taken.settle(at(500))), (None, AlertStatus::Acknowledged, vec![]));
}

#[test]
fn downtime_is_one_step_and_not_each_that_was_missed() {
    let escalate =
        [(10, Severity::Error), (20, Severity::Critical)].map(|(after_minutes, severity)| Escalation { after_minutes, severity });
    let terms = Terms { severity: Severity::Info, escalate: escalate.into(), repeat_every_minutes: Some(5), ..Terms::default() };
    let mut incident = Incident::default();
    incident.look(&Observation { terms, ..breach(AlertType::Late, 0) }, 0);
    assert_eq!(kinds(&incident.alert().settle(at(1000))), [AlertEventKind::Escalated]);
    assert_eq!((incident.alert().severity, incident.alert().due_at()), (Severity::Critical, Some(at(1005))));
}

#[test]
fn a_mute_ends_with_a_reminder() {
    use AlertEventKind::{Commented, Muted, Reminded, Unmuted};
    let mut incident = Incident::default();
    incident.look(&breach(AlertType::Late, 0), 0);
    let alert = incident.alert();
    assert_eq!(kinds(&alert.mute("ana", Some(at(60)), None).unwrap()), [Muted]);
    assert_eq!(kinds(&alert.mute("ana", Some(at(60)), Some("why".to_owned())).unwrap()), [Commented], "it is muted already");
    assert_eq!((alert.due_at(), alert.settle(at(59))), (Some(at(60)), vec![]));
    assert_eq!(kinds(&alert.settle(at(60))), [Unmuted, Reminded]);
    assert_eq!(alert.silent_until(), None);
    alert.mute("ana", Some(at(90)), None).unwrap();
    assert_eq!((kinds(&alert.mute("rui", None, None).unwrap()), alert.due_at()), (vec![Unmuted], None));
}

#[test]
fn a_rule_that_is_muted_silences_its_alerts_until_the_later_of_both_ends() {
    let muted = |until| Terms { muted_until: Some(at(until)), ..Terms::default() };
    let mut incident = Incident::default();
    let seen = |until| Observation { terms: muted(until), ..breach(AlertType::Late, 0) };
    incident.look(&seen(30), 0);
    incident.alert().mute("ana", Some(at(20)), None).unwrap();
    assert_eq!(incident.alert().silent_until(), Some(at(30)));
    assert_eq!(incident.look(&seen(30), 31), [AlertEventKind::Unmuted, AlertEventKind::Reminded]);
    assert_eq!(incident.look(&seen(30), 32), [], "the end that has passed is not told again");
}

#[test]
fn what_a_person_resolved_opens_again_by_a_new_breach_alone() {
    use AlertEventKind::{Opened, Resolved};
    for (alert_type, later) in [(AlertType::Late, vec![Opened]), (AlertType::WorkerDown, vec![])] {
        let mut incident = Incident::default();
        incident.look(&breach(alert_type, 0), 0);
        let entries = incident.alert().resolve("ana", Some("known".to_owned()), at(5));
        assert_eq!((kinds(&entries), entries[0].by.as_deref(), entries[0].text.as_deref()), (vec![Resolved], Some("ana"), Some("known")));
        assert_eq!(incident.look(&breach(alert_type, 0), 6), [], "{alert_type}: the same breach");
        assert_eq!(incident.look(&breach(alert_type, 7), 8), later, "{alert_type}");
        incident.look(&fine(alert_type), 9);
        assert!(incident.current.is_none(), "{alert_type}");
        assert_eq!(incident.look(&breach(alert_type, 10), 10), [Opened], "{alert_type}: it was fine in between");
    }
}

#[test]
fn messages_of_another_system_may_be_repeated_and_overtake_each_other() {
    use AlertEventKind::{Opened, Resolved};
    let mut incident = Incident::default();
    let over = |ended| look(AlertType::External, Seen::Fine, ended);
    assert_eq!(incident.look(&breach(AlertType::External, 0), 1), [Opened]);
    assert_eq!(incident.look(&breach(AlertType::External, 0), 2), [], "repeated");
    assert_eq!(incident.look(&over(5), 6), [Resolved]);
    assert_eq!(incident.look(&over(5), 7), [], "repeated");
    assert_eq!(incident.look(&breach(AlertType::External, 0), 8), [], "late");
    assert_eq!(incident.look(&breach(AlertType::External, 9), 10), [Opened]);
    assert_eq!(incident.look(&over(5), 11), [], "late");
    assert_eq!(incident.look(&over(12), 12), [Resolved]);
}

#[test]
fn times_count_to_the_microsecond() {
    let mut incident = Incident::default();
    let nanos = |nanos| Observation { at: at(0) + TimeDelta::nanoseconds(nanos), ..breach(AlertType::Failure, 0) };
    incident.look(&nanos(100), 1);
    assert_eq!((incident.alert().breach_at, incident.look(&nanos(999), 2)), (at(0), vec![]));
}

#[test]
fn what_was_fine_when_a_person_resolved_it_holds_nothing() {
    let mut incident = Incident::default();
    let wait = |observation| Observation { terms: Terms { resolve_after_minutes: 9, ..Terms::default() }, ..observation };
    incident.look(&wait(breach(AlertType::QueueBacklog, 0)), 0);
    incident.look(&wait(fine(AlertType::QueueBacklog)), 1);
    incident.alert().resolve("ana", None, at(2));
    assert!(!incident.alert().holds_key);
}

#[test]
fn commands_on_a_resolved_alert_are_refused_or_without_effect() {
    let mut incident = Incident::default();
    incident.look(&breach(AlertType::Late, 0), 0);
    let alert = incident.alert();
    alert.resolve("ana", None, at(1));
    assert_eq!((alert.acknowledge("rui", None, at(2)), alert.mute("rui", Some(at(9)), None)), (Err(IsResolved), Err(IsResolved)));
    assert_eq!((alert.resolve("rui", None, at(2)), alert.settle(at(99)), alert.due_at()), (vec![], vec![], None));
    assert_eq!(alert.resolved.as_ref().and_then(|end| end.by.as_deref()), Some("ana"));
    assert_eq!(kinds(&alert.resolve("rui", Some("indeed".to_owned()), at(3))), [AlertEventKind::Commented]);
}

#[test]
fn an_expectation_that_is_gone_resolves_its_alert_and_says_why() {
    for why in [Resolution::RuleChanged, Resolution::Archived] {
        let mut incident = Incident::default();
        incident.look(&breach(AlertType::Late, 0), 0);
        let mut seen = observe(incident.current.as_ref(), &look(AlertType::Late, Seen::Gone(why), 0), id(2), at(1));
        let (alert, entries) = seen.changed.take().unwrap();
        assert_eq!((alert.resolved.unwrap().why, entries[0].text.as_deref()), (why, Some(why.as_str())));
    }
}

#[test]
fn a_changed_rule_counts_for_the_open_alert() {
    let mut incident = Incident::default();
    let of = |severity| Observation { terms: Terms { severity, ..Terms::default() }, ..breach(AlertType::Late, 0) };
    incident.look(&of(Severity::Error), 0);
    assert_eq!(incident.look(&of(Severity::Info), 1), []);
    assert_eq!(incident.alert().severity, Severity::Info);
    assert_eq!(incident.look(&of(Severity::Critical), 2), [AlertEventKind::Escalated]);
}

#[derive(Clone, Debug)]
enum Step {
    Breach(u8),
    Fine,
    Gone,
    Acknowledge,
    Resolve,
    Mute(u8),
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<(u8, Step)>> {
    let step = prop_oneof![
        4 => any::<u8>().prop_map(Step::Breach),
        2 => Just(Step::Fine),
        1 => Just(Step::Gone),
        1 => Just(Step::Acknowledge),
        1 => Just(Step::Resolve),
        1 => any::<u8>().prop_map(Step::Mute),
        2 => Just(Step::Wait),
    ];
    proptest::collection::vec((0..60_u8, step), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn each_alert_is_told_when_it_opens_and_when_it_is_over_once(
        steps in steps(), recurs in any::<bool>(), resolve_after_minutes in 0..10_u32, repeat in proptest::option::of(1..90_u32),
    ) {
        let alert_type = if recurs { AlertType::Failure } else { AlertType::WorkerDown };
        let escalate = vec![Escalation { after_minutes: 45, severity: Severity::Critical }];
        let terms = Terms { severity: Severity::Info, escalate, repeat_every_minutes: repeat, resolve_after_minutes, ..Terms::default() };
        let with = |observation: Observation| Observation { terms: terms.clone(), ..observation };
        let (mut incident, mut now, mut told): (_, i64, Vec<AlertEventKind>) = (Incident::default(), 0, Vec::new());
        for (minutes, step) in steps {
            now += i64::from(minutes);
            let is_settled = matches!(step, Step::Breach(_) | Step::Fine | Step::Wait);
            let happened = match (step, incident.current.as_mut()) {
                (Step::Breach(ago), _) => incident.look(&with(breach(alert_type, now - i64::from(ago))), now),
                (Step::Fine, _) => incident.look(&with(fine(alert_type)), now),
                (Step::Gone, _) => incident.look(&with(look(alert_type, Seen::Gone(Resolution::Archived), 0)), now),
                (_, None) => Vec::new(),
                (Step::Acknowledge, Some(alert)) => alert.acknowledge("ana", None, at(now)).map(|entries| kinds(&entries)).unwrap_or_default(),
                (Step::Resolve, Some(alert)) => kinds(&alert.resolve("ana", None, at(now))),
                (Step::Mute(minutes), Some(alert)) => {
                    alert.mute("ana", Some(at(now + 1 + i64::from(minutes))), None).map(|entries| kinds(&entries)).unwrap_or_default()
                }
                (Step::Wait, Some(alert)) => kinds(&alert.settle(at(now))),
            };
            if let Some(alert) = &incident.current {
                prop_assert!(!is_settled || alert.due_at().is_none_or(|due| due > at(now)), "what is due has happened: {alert:?}");
                prop_assert_eq!(alert.resolved.is_some(), alert.status() == AlertStatus::Resolved);
            }
            told.extend(happened.into_iter().filter(|what| what.notice().is_some()));
        }
        // Opened, anything, resolved; then the next.
        let mut is_open = false;
        for what in told {
            prop_assert_eq!(is_open, what != AlertEventKind::Opened, "{:?}", what);
            is_open = what != AlertEventKind::Resolved;
        }
    }
}
