use super::*;
use crate::{
    alert::{AlertType, Facts, Key, Seen, Subject},
    sla::{Known, Standing, Verdict, settle},
};

fn key(alert_type: AlertType) -> Key {
    Key { rule_id: None, alert_type, subject: Subject::Queue("q".to_owned()) }
}

/// What is told of verdicts at these seconds: `b` for a breach, `f` for fine, `.` for nothing.
fn told(alert_type: AlertType, verdicts: &[(i64, bool)]) -> String {
    let (rule, begin) = (rule(Expectations::default()), at("2026-11-27T00:00:00Z"));
    let mut known: Option<Known> = None;
    let mut told = String::new();
    for (second, is_fine) in verdicts {
        let now = begin + TimeDelta::seconds(*second);
        let verdict = if *is_fine { Verdict::fine() } else { Verdict::breach(begin, Facts::default()) };
        let (observation, next) = settle(&rule, (&key(alert_type), None), known.as_ref(), verdict, now);
        told.push(observation.map_or('.', |observation| if observation.seen == Seen::Fine { 'f' } else { 'b' }));
        known = Some(next);
    }
    told
}

#[test]
fn a_breach_is_told_once_and_so_is_its_end() {
    let verdicts = [(0, true), (10, false), (20, false), (30, true), (40, true), (50, false)];
    assert_eq!(told(AlertType::Failure, &verdicts), ".b.f.b");
}

#[test]
fn a_measured_limit_is_over_when_it_has_been_kept_for_long_enough() {
    assert_eq!(told(AlertType::QueueBacklog, &[(0, false), (15, true), (30, true), (135, true), (150, true)]), "bf.f.");
    assert_eq!(told(AlertType::QueueBacklog, &[(0, false), (15, true), (30, false), (45, true), (150, true), (165, true)]), "bfbf.f");
}

#[test]
fn figures_of_a_state_are_told_again_now_and_then() {
    assert_eq!(told(AlertType::QueueBacklog, &[(0, false), (15, false), (300, false), (315, false)]), "b.b.");
    assert_eq!(told(AlertType::Late, &[(0, false), (300, false)]), "b.");
}

#[test]
fn it_recovers_when_the_wait_is_over() {
    let (rule, now) = (rule(Expectations::default()), at("2026-11-27T00:00:00Z"));
    let key = key(AlertType::WorkerDown);
    let (_, breached) = settle(&rule, (&key, None), None, Verdict::breach(now, Facts::default()), now);
    let (_, next) = settle(&rule, (&key, None), Some(&breached), Verdict::fine(), now + TimeDelta::seconds(15));
    assert_eq!((next.standing, next.due_at), (Standing::Recovering, Some(now + TimeDelta::seconds(135))));
}
