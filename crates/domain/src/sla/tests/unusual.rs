use super::*;
use crate::{
    alert::{AlertType, Key, Seen, Subject},
    duration::{MIN_RUNS, Sensitivity},
    sla::{DurationAnomaly, History, Known, Past, RunningJob, Standing, Verdict, settle},
};

const NOW: &str = "2026-11-27T12:00:00Z";

fn anomaly() -> Rule {
    rule(Expectations { duration_anomaly: Some(DurationAnomaly::default()), ..Expectations::default() })
}

/// So many runs of about ten minutes, one each hour, the last an hour before [`NOW`].
fn pasts(many: usize) -> Vec<Past> {
    let past = |nth: usize| {
        let back = TimeDelta::hours(i64::try_from(nth).unwrap() + 1);
        let took = TimeDelta::seconds(600 + i64::try_from(nth % 7).unwrap());
        Past { started_at: at(NOW) - back, took, waited: TimeDelta::seconds(3) }
    };
    (0..many).map(past).collect()
}

fn history(pasts: &[Past]) -> History {
    History::of(pasts, &times(None).zone, Sensitivity::Normal)
}

/// A job that has run for so many minutes.
fn job(nth: u128, minutes: i64) -> RunningJob {
    RunningJob {
        job_id: Uuid::from_u128(nth).into(),
        started_at: at(NOW) - TimeDelta::minutes(minutes),
        paused_at: None,
        paused: TimeDelta::zero(),
    }
}

/// A run that ended now.
fn ended(seconds: i64) -> Run {
    let started_at = Some(at(NOW) - TimeDelta::seconds(seconds));
    Run { took: Some(TimeDelta::seconds(seconds)), started_at, ..run(9, Status::Completed, NOW) }
}

fn judged(known: Option<&Known>, running: &[RunningJob], runs: &[Run], history: &History) -> Verdict {
    let (rule, times) = (anomaly(), times(None));
    look(&rule, &times, "2026-11-20T00:00:00Z", NOW).unusual(known, running, runs, history)
}

#[test]
fn too_few_runs_are_learnt_from() {
    let few = judged(None, &[job(1, 500)], &[], &history(&pasts(MIN_RUNS - 1)));
    assert_eq!((few.standing, few.due_at), (Standing::Learning, None), "the end of a run is a reason to look");
    assert_eq!(judged(None, &[job(1, 500)], &[], &history(&pasts(MIN_RUNS))).standing, Standing::Breached);
    // The last run is judged by those before it, of which there must be enough.
    let last = |many| judged(None, &[], &[ended(1)], &history(&pasts(many))).standing;
    assert_eq!((last(MIN_RUNS), last(MIN_RUNS + 1)), (Standing::Fine, Standing::Breached));
}

#[test]
fn a_run_is_unusual_while_it_runs_and_looked_at_when_it_would_be() {
    let history = history(&pasts(200));
    let upper = history.all.as_ref().unwrap().usual(4, 8).upper;
    let fine = judged(None, &[job(1, 5)], &[], &history);
    let due = (fine.due_at.unwrap() - at(NOW)).num_seconds();
    assert_eq!((fine.standing, due), (Standing::Fine, upper as i64 - 300), "when it has taken that long");
    let idle = judged(None, &[], &[], &history);
    assert_eq!((idle.due_at.unwrap() - at(NOW)).num_seconds(), history.all.as_ref().unwrap().least_upper() as i64, "one that starts now");
    let over = judged(None, &[job(1, 60)], &[], &history);
    let facts = over.facts.unwrap();
    assert_eq!((over.standing, facts.measured, facts.limit), (Standing::Breached, Some(3600.0), Some(upper.round())));
    let since = (at(NOW) - over.at.unwrap()).as_seconds_f64();
    assert!((since - (3600.0 - upper)).abs() < 0.01, "{since}: since it has taken longer than is usual");
    assert_eq!(facts.job_ids, [Uuid::from_u128(1).into()]);
    let paused = RunningJob { paused_at: Some(at(NOW) - TimeDelta::minutes(55)), ..job(1, 60) };
    assert_eq!(judged(None, &[paused], &[], &history).standing, Standing::Fine, "a pause does not count");
}

#[test]
fn the_last_run_is_unusual_until_another_is_as_usual() {
    let history = history(&pasts(200));
    let of = |runs: &[Run]| judged(None, &[], runs, &history).standing;
    let failed = run(3, Status::Failed, NOW);
    assert_eq!((of(&[ended(600)]), of(&[ended(5)]), of(&[ended(3600)])), (Standing::Fine, Standing::Breached, Standing::Breached));
    assert_eq!(of(&[failed, ended(5)]), Standing::Breached, "a failure is not judged");
    assert_eq!(of(&[ended(600), ended(5)]), Standing::Fine);
    let before = Run { ended_at: at("2026-11-19T00:00:00Z"), ..ended(5) };
    assert_eq!(of(&[before]), Standing::Fine, "what was before the rule does not count");
}

/// A run is one breach while it runs, while it is paused, and when it has ended, whatever became usual meanwhile; another is another.
#[test]
fn one_run_is_told_once() {
    let (rule, mut pasts) = (anomaly(), pasts(200));
    let key = Key { rule_id: None, alert_type: AlertType::DurationAnomaly, subject: Subject::Automation(7.into()) };
    let mut known: Option<Known> = None;
    let mut tell = |running: &[RunningJob], runs: &[Run], history: &History, minute: i64| {
        let verdict = judged(known.as_ref(), running, runs, history);
        let (told, next) = settle(&rule, (&key, Some(7.into())), known.as_ref(), verdict, at(NOW) + TimeDelta::minutes(minute));
        known = Some(next);
        told.map(|told| (told.at, matches!(told.seen, Seen::Breach(_))))
    };
    let first = tell(&[job(1, 60)], &[], &history(&pasts), 0).unwrap();
    assert!(first.1);
    pasts.insert(0, Past { started_at: at(NOW), took: TimeDelta::seconds(900), waited: TimeDelta::zero() });
    let paused = RunningJob { paused: TimeDelta::minutes(10), ..job(1, 60) };
    assert_eq!(tell(&[paused], &[], &history(&pasts), 1), None);
    assert_eq!(tell(&[], &[ended(3600)], &history(&pasts), 2), None, "its end is no other breach");
    let refreshed = tell(&[], &[ended(3600)], &history(&pasts), 9).unwrap();
    assert_eq!(refreshed, first, "its figures are told again, as the same breach");
    let other = tell(&[job(2, 30)], &[ended(3600)], &history(&pasts), 10).unwrap();
    assert!(other.1 && other.0 > first.0);
    assert_eq!(tell(&[], &[ended(600)], &history(&pasts), 11).map(|told| told.1), Some(false));
}

#[test]
fn a_rule_follows_runs_and_is_none_of_limits() {
    let expect = anomaly().expect;
    assert!(expect.follows_runs() && !expect.has_durations() && !expect.is_empty());
    assert_eq!(serde_json::to_value(&expect).unwrap()["duration_anomaly"], serde_json::json!({"sensitivity": "normal"}));
    let bare: Expectations = serde_json::from_str(r#"{"duration_anomaly": {}}"#).unwrap();
    assert_eq!(bare, expect);
}
