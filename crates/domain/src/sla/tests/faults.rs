use chrono::NaiveTime;

use super::*;
use crate::{
    alert::{Escalation, Severity},
    sla::FailureRate,
};

#[track_caller]
fn refused(change: impl FnOnce(&mut Rule), field: &str) {
    let mut rule = rule(Expectations { alert_on_failure: true, ..Expectations::default() });
    assert_eq!(rule.faults(), []);
    change(&mut rule);
    let faults = rule.faults();
    assert!(faults.len() == 1 && faults[0].field == field, "{field}: {faults:?}");
}

#[test]
fn each_fault_names_its_field() {
    let ten = || NaiveTime::from_hms_opt(10, 0, 0);
    refused(|rule| rule.name = " ".to_owned(), "name");
    refused(|rule| rule.target = Target::Queue(String::new()), "queue");
    refused(|rule| rule.expect = Expectations::default(), "");
    refused(|rule| rule.expect.watch_hub = true, "watch_hub");
    refused(|rule| rule.calendar_id = Some(Uuid::nil().into()), "calendar_id");
    refused(|rule| rule.expect.expected_run_every_minutes = Some(0), "expected_run_every_minutes");
    refused(|rule| rule.expect.late_after_minutes = -1, "late_after_minutes");
    refused(|rule| rule.expect.early_minutes = 1441, "early_minutes");
    refused(|rule| rule.expect.failure_streak = Some(1), "failure_streak");
    refused(|rule| rule.expect.max_backlog = Some(-1), "max_backlog");
    refused(|rule| rule.expect.worker_gone_after_s = Some(9), "worker_gone_after_s");
    refused(|rule| (rule.expect.min_duration_s, rule.expect.max_duration_s) = (Some(60), Some(60)), "min_duration_s");
    refused(|rule| (rule.expect.expected_daily_time, rule.expect.late_after_minutes) = (ten(), 1440), "late_after_minutes");
    refused(|rule| (rule.expect.expected_daily_time, rule.expect.expected_run_every_minutes) = (ten(), Some(60)), "expected_daily_time");
    refused(|rule| rule.terms.note = "a\u{202e}b".to_owned(), "note");
    refused(|rule| rule.terms.repeat_every_minutes = Some(0), "repeat_every_minutes");
    refused(|rule| rule.terms.resolve_after_minutes = 1441, "resolve_after_minutes");
}

#[test]
fn a_rate_that_can_never_hold_is_refused() {
    let rate = FailureRate { percent: 50, runs: Some(10), window_minutes: None, at_least: 5 };
    let with = |change: fn(&mut FailureRate)| {
        move |rule: &mut Rule| {
            let mut rate = rate;
            change(&mut rate);
            rule.expect.failure_rate = Some(rate);
        }
    };
    refused(with(|rate| rate.percent = 100), "failure_rate/percent");
    refused(with(|rate| rate.at_least = 11), "failure_rate/at_least");
    refused(with(|rate| rate.window_minutes = Some(5)), "failure_rate/window_minutes");
    refused(with(|rate| rate.runs = None), "failure_rate/runs");
}

#[test]
fn an_escalation_gets_worse_with_time() {
    let step = |after_minutes, severity| Escalation { after_minutes, severity };
    refused(|rule| rule.terms.escalate = vec![step(10, Severity::Error)], "escalate/0/severity");
    refused(|rule| rule.terms.escalate = vec![step(0, Severity::Critical)], "escalate/0/after_minutes");
    let mild = |steps: Vec<Escalation>| {
        move |rule: &mut Rule| {
            rule.terms.severity = Severity::Info;
            rule.terms.escalate = steps;
        }
    };
    refused(mild(vec![step(10, Severity::Warning), step(10, Severity::Error)]), "escalate/1/after_minutes");
}

#[test]
fn expectations_are_read_as_they_are_written() {
    let expect = Expectations {
        expected_daily_time: NaiveTime::from_hms_opt(14, 30, 0),
        failure_rate: Some(FailureRate { percent: 20, runs: Some(10), window_minutes: None, at_least: 5 }),
        max_backlog: Some(0),
        ..Expectations::default()
    };
    let text = serde_json::to_value(&expect).unwrap();
    assert_eq!(text["expected_daily_time"], "14:30");
    assert_eq!(serde_json::from_value::<Expectations>(text).unwrap(), expect);
    assert_eq!(serde_json::from_str::<Expectations>("{}").unwrap(), Expectations::default());
}
