//! No incident is lost and none is doubled: what rules found is what the jobs' rows say, and each of it was told once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use domain::ids::{AlertId, JobId, NotificationId};

use super::{Breach, Evidence};
use crate::{
    observer::{AlertRow, Alerts, Ended},
    rules::{Message, Watching},
};

/// What is told of each alert.
const ENDS: [&str; 2] = ["opened", "resolved"];
/// Types of alerts that are over when everything works.
const PASSING: [&str; 2] = ["QUEUE_BACKLOG", "WORKER_DOWN"];

/// What was observed of rules when everything was at rest.
#[derive(Clone, Default)]
pub(crate) struct Alerting {
    pub(crate) rules: Vec<Watching>,
    pub(crate) found: Alerts,
    /// What the receiver got, with what came again.
    pub(crate) messages: Vec<Message>,
}

impl Alerting {
    /// How many different messages came.
    pub(crate) fn different(&self) -> usize {
        self.messages.iter().map(|one| one.id).collect::<HashSet<_>>().len()
    }
}

pub(super) fn each_told_once(seen: &Evidence) -> Vec<Breach> {
    faults(&seen.alerting)
}

/// What is not as it must be when everything is at rest.
pub(crate) fn faults(seen: &Alerting) -> Vec<Breach> {
    [as_the_jobs_say(seen), one_at_a_time(seen), passed(seen), written_once(seen), received(seen)].concat()
}

/// Of a rule about failures, and of each automation: an alert is open if so many of the last runs failed, and only then, and it knows the last one.
fn as_the_jobs_say(seen: &Alerting) -> Vec<Breach> {
    let mut found = Vec::new();
    let runs = runs(&seen.found.ended);
    for (rule, limit) in seen.rules.iter().filter_map(|one| Some((one.rule, one.failures?))) {
        let Some((_, since)) = seen.found.rules.iter().find(|(id, _)| *id == rule) else {
            found.push(breach(Vec::new(), format!("the rule {rule} is gone")));
            continue;
        };
        for (automation, runs) in &runs {
            let failed: Vec<&&Ended> = runs.iter().filter(|run| run.at > *since).take_while(|run| run.status == "failed").collect();
            let of = |alert: &&AlertRow| alert.is_open && alert.rule == Some(rule) && alert.automation == Some(*automation);
            let open: Vec<&AlertRow> = seen.found.alerts.iter().filter(of).collect();
            let jobs = || failed.iter().map(|run| run.job).collect::<Vec<_>>();
            let text = |text: String| breach(jobs(), format!("automation {automation}, {limit} failures: {text}"));
            match (failed.len() >= limit, open.as_slice()) {
                (true, [alert]) if failed.first().is_some_and(|last| last.at == alert.breach_at) => {}
                (false, []) => {}
                (true, [alert]) => found.push(text(format!("the alert {} does not know the last failure", alert.id))),
                (true, []) => found.push(text("the incident is lost".to_owned())),
                (_, open) => found.push(text(format!("{} alerts are open", open.len()))),
            }
        }
    }
    found
}

/// The runs of each automation that say how it works, the last one first.
fn runs(ended: &[Ended]) -> BTreeMap<i32, Vec<&Ended>> {
    let mut runs: BTreeMap<i32, Vec<&Ended>> = BTreeMap::new();
    for job in ended.iter().filter(|job| !job.is_retried && job.status != "canceled") {
        runs.entry(job.automation).or_default().push(job);
    }
    runs.values_mut().for_each(|runs| runs.sort_by_key(|run| std::cmp::Reverse(run.at)));
    runs
}

/// An incident never had two open alerts, and no failure has two.
fn one_at_a_time(seen: &Alerting) -> Vec<Breach> {
    let (mut found, mut open) = (Vec::new(), HashMap::<&str, BTreeSet<AlertId>>::new());
    for turn in &seen.found.turns {
        let open = open.entry(&turn.key).or_default();
        if turn.is_open {
            open.insert(turn.alert)
        } else {
            open.remove(&turn.alert)
        };
        if open.len() > 1 {
            found.push(breach(Vec::new(), format!("{} has several alerts open at once: {open:?}", turn.key)));
        }
    }
    let mut breaches = HashMap::<(&str, i64), usize>::new();
    for alert in seen.found.alerts.iter().filter(|alert| alert.alert_type.starts_with("FAILURE")) {
        *breaches.entry((&alert.key, alert.breach_at)).or_default() += 1;
    }
    let doubled = breaches.into_iter().filter(|(_, alerts)| *alerts > 1);
    found.extend(doubled.map(|((key, at), alerts)| breach(Vec::new(), format!("{key}: {alerts} alerts of one failure, at {at}"))));
    found
}

fn passed(seen: &Alerting) -> Vec<Breach> {
    let lasts = |alert: &&AlertRow| alert.is_open && PASSING.contains(&alert.alert_type.as_str());
    let text = |alert: &AlertRow| breach(Vec::new(), format!("{} is still open, and all is well", alert.key));
    seen.found.alerts.iter().filter(lasts).map(text).collect()
}

/// Each alert has one notice of its opening and one of its end, each in one message that was sent; or it was over before anybody was told.
fn written_once(seen: &Alerting) -> Vec<Breach> {
    let mut notices = HashMap::<(AlertId, &str), Vec<&Option<(NotificationId, String)>>>::new();
    let mut found = Vec::new();
    for notice in &seen.found.notices {
        notices.entry((notice.alert, &notice.what)).or_default().push(&notice.message);
        if !notice.is_routed {
            found.push(breach(Vec::new(), format!("that {} {} is not routed", notice.alert, notice.what)));
        }
    }
    for alert in &seen.found.alerts {
        let mut told = Vec::new();
        for what in ENDS {
            let of = notices.get(&(alert.id, what)).map(Vec::as_slice).unwrap_or_default();
            let text = |text: String| breach(Vec::new(), format!("that {} {what}: {text}", alert.key));
            match of {
                [message] => {
                    if let Some((id, state)) = message
                        && state != "sent"
                    {
                        found.push(text(format!("the message {id} is {state}")));
                    }
                    told.push(message.is_some());
                }
                [] if what == "resolved" && alert.is_open => {}
                of => found.push(text(format!("{} notices or messages", of.len()))),
            }
        }
        if told == [false] || told == [true, false] || told == [false, true] {
            found.push(breach(Vec::new(), format!("of {} people know of one end alone: {told:?}", alert.key)));
        }
    }
    found
}

/// What was sent came, with the alerts that it tells, and no other; of what happened to an alert one message came, by its id.
fn received(seen: &Alerting) -> Vec<Breach> {
    let mut sent = HashMap::<NotificationId, BTreeSet<AlertId>>::new();
    for (id, alert) in seen.found.notices.iter().filter_map(|notice| Some((notice.message.as_ref()?.0, notice.alert))) {
        sent.entry(id).or_default().insert(alert);
    }
    let came: HashSet<NotificationId> = seen.messages.iter().map(|message| message.id).collect();
    let lost = sent.iter().filter(|(id, _)| !came.contains(id));
    let mut found: Vec<Breach> =
        lost.map(|(id, alerts)| breach(Vec::new(), format!("the message {id} of {alerts:?} never came"))).collect();
    let mut told = BTreeMap::<(&str, AlertId), BTreeSet<NotificationId>>::new();
    for message in &seen.messages {
        let known = sent.get(&message.id);
        for alert in &message.alerts {
            if !known.is_some_and(|alerts| alerts.contains(alert)) {
                found.push(breach(Vec::new(), format!("the message {} tells of {alert}, which it was not to", message.id)));
            }
            if ENDS.iter().any(|what| message.kind == format!("regente.alert.{what}")) {
                told.entry((&message.kind, *alert)).or_default().insert(message.id);
            }
        }
    }
    let doubled = told.into_iter().filter(|(_, ids)| ids.len() > 1);
    found.extend(doubled.map(|((kind, alert), ids)| breach(Vec::new(), format!("{kind} of {alert} came in several messages: {ids:?}"))));
    found
}

fn breach(jobs: Vec<JobId>, text: String) -> Breach {
    Breach { promise: "incidents", jobs, text }
}

#[cfg(test)]
mod tests {
    use domain::ids::SlaId;
    use uuid::Uuid;

    use super::*;
    use crate::observer::alerts::{Notice, Turn};

    const RULE: SlaId = SlaId::new(Uuid::from_u128(1));
    const OLD: AlertId = AlertId::new(Uuid::from_u128(10));
    const OPEN: AlertId = AlertId::new(Uuid::from_u128(11));

    fn ended(nth: i64, status: &str) -> Ended {
        let job = Uuid::from_u128(nth.try_into().unwrap()).into();
        Ended { job, automation: 7, status: status.into(), at: nth, is_retried: false }
    }

    fn alert(id: AlertId, is_open: bool, breach_at: i64) -> AlertRow {
        let key = "rule/FAILURE/automation:7".to_owned();
        AlertRow { id, key, rule: Some(RULE), alert_type: "FAILURE".into(), automation: Some(7), is_open, breach_at }
    }

    fn turn(alert: AlertId, is_open: bool) -> Turn {
        Turn { alert, key: "rule/FAILURE/automation:7".into(), is_open }
    }

    fn id(nth: u128) -> NotificationId {
        Uuid::from_u128(nth).into()
    }

    fn notice(alert: AlertId, what: &str, message: u128) -> Notice {
        Notice { alert, what: what.into(), is_routed: true, message: Some((id(message), "sent".into())) }
    }

    fn message(nth: u128, what: &str, alert: AlertId) -> Message {
        Message { id: id(nth), kind: format!("regente.alert.{what}"), alerts: [alert].into() }
    }

    /// A failure, a success and two failures: an alert that is over and one that is open. One message came twice.
    fn fine() -> Alerting {
        let retried = Ended { is_retried: true, ..ended(40, "failed") };
        Alerting {
            rules: vec![Watching { rule: RULE, failures: Some(1) }],
            found: Alerts {
                rules: vec![(RULE, 5)],
                ended: vec![
                    ended(1, "failed"),
                    ended(10, "failed"),
                    ended(20, "completed"),
                    ended(30, "failed"),
                    retried,
                    ended(35, "failed"),
                    ended(50, "canceled"),
                ],
                alerts: vec![alert(OLD, false, 10), alert(OPEN, true, 35)],
                turns: vec![turn(OLD, true), turn(OLD, false), turn(OPEN, true)],
                notices: vec![notice(OLD, "opened", 1), notice(OLD, "resolved", 2), notice(OPEN, "opened", 3)],
            },
            messages: vec![message(1, "opened", OLD), message(1, "opened", OLD), message(2, "resolved", OLD), message(3, "opened", OPEN)],
        }
    }

    #[track_caller]
    fn sees(text: &str, spoil: impl FnOnce(&mut Alerting)) {
        let mut seen = fine();
        spoil(&mut seen);
        let found: Vec<_> = faults(&seen).into_iter().map(|breach| breach.text).collect();
        assert!(found.iter().any(|one| one.contains(text)), "{text}: {found:?}");
    }

    #[test]
    fn what_is_well_is_left_alone() {
        assert_eq!(faults(&fine()), []);
        let mut untold = fine();
        untold.found.notices[0].message = None;
        untold.found.notices[1].message = None;
        untold.messages.drain(..3);
        assert_eq!(faults(&untold), [], "it was over before anybody was told");
        let mut streak = fine();
        streak.rules[0].failures = Some(2);
        assert_eq!(faults(&streak), []);
    }

    #[test]
    fn an_incident_that_is_lost_or_lasts_is_seen() {
        sees("the incident is lost", |seen| seen.found.alerts.truncate(1));
        sees("does not know the last failure", |seen| seen.found.ended.push(ended(60, "failed")));
        sees("1 alerts are open", |seen| seen.found.ended.push(ended(60, "completed")));
        sees("is gone", |seen| seen.found.rules.clear());
        sees("is still open", |seen| seen.found.alerts.push(AlertRow { alert_type: "WORKER_DOWN".into(), ..alert(OPEN, true, 1) }));
    }

    #[test]
    fn an_incident_that_is_doubled_is_seen() {
        sees("2 alerts are open", |seen| seen.found.alerts.push(alert(OLD, true, 36)));
        sees("several alerts open at once", |seen| seen.found.turns.swap(1, 2));
        sees("2 alerts of one failure", |seen| seen.found.alerts[0].breach_at = 35);
    }

    #[test]
    fn a_message_that_is_lost_is_seen() {
        sees("never came", |seen| seen.messages.truncate(3));
        sees("is waiting", |seen| seen.found.notices[2].message = Some((id(3), "waiting".into())));
        sees("is not routed", |seen| seen.found.notices[2].is_routed = false);
        sees("one end alone", |seen| seen.found.notices[2].message = None);
        sees("one end alone", |seen| seen.found.notices[1].message = None);
        sees("0 notices", |seen| {
            seen.found.notices.remove(1);
        });
    }

    #[test]
    fn a_message_that_is_doubled_is_seen() {
        sees("2 notices or messages", |seen| seen.found.notices.push(notice(OPEN, "opened", 4)));
        sees("in several messages", |seen| seen.messages.push(message(9, "opened", OPEN)));
        sees("which it was not to", |seen| seen.messages.push(message(1, "opened", OPEN)));
    }
}
