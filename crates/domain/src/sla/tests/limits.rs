use super::*;
use crate::{
    schedule::{ScheduleState, StateReason},
    sla::{HubPart, QueueFacts, RunningJob, ScheduleFacts, Standing, WorkerFacts},
    worker::Life,
};

const NOW: &str = "2026-11-27T02:00:00Z";

fn job(nth: u128, started_at: &str) -> RunningJob {
    RunningJob { job_id: Uuid::from_u128(nth).into(), started_at: at(started_at), paused_at: None, paused: TimeDelta::zero() }
}

#[test]
fn a_running_job_is_too_long_at_its_limit_without_its_pauses() {
    let (rule, times) = (rule(Expectations { max_duration_s: Some(600), ..Expectations::default() }), times(None));
    let look = look(&rule, &times, NOW, NOW);
    let none = look.durations(&[], &[]);
    assert_eq!((none.standing, none.due_at), (Standing::Fine, Some(at("2026-11-27T02:10:00Z"))), "one that starts now");
    let ahead = look.durations(&[job(1, "2026-11-27T01:55:00Z"), job(2, "2026-11-27T01:58:00Z")], &[]);
    assert_eq!((ahead.standing, ahead.due_at), (Standing::Fine, Some(at("2026-11-27T02:05:00Z"))));
    let over = look.durations(&[job(1, "2026-11-27T01:50:00Z"), job(2, "2026-11-27T01:58:00Z")], &[]);
    assert_eq!((over.standing, over.at, over.due_at), (Standing::Breached, Some(at(NOW)), Some(at("2026-11-27T02:08:00Z"))));
    assert_eq!(over.facts.unwrap().job_ids, [Uuid::from_u128(1).into()]);
    let paused = RunningJob { paused_at: Some(at("2026-11-27T01:59:00Z")), ..job(1, "2026-11-27T01:50:00Z") };
    let resumed = RunningJob { paused: TimeDelta::seconds(60), ..job(2, "2026-11-27T01:50:00Z") };
    assert_eq!(look.durations(&[paused, resumed], &[]).standing, Standing::Fine);
}

#[test]
fn a_run_that_was_too_short_is_one_until_the_next() {
    let (rule, times) = (rule(Expectations { min_duration_s: Some(61), ..Expectations::default() }), times(None));
    let look = look(&rule, &times, "2026-11-27T00:00:00Z", NOW);
    let short = run(1, Status::Completed, "2026-11-27T01:00:00Z");
    let long = Run { took: Some(TimeDelta::seconds(61)), ..run(2, Status::Completed, "2026-11-27T01:30:00Z") };
    assert_eq!(look.durations(&[], std::slice::from_ref(&short)).standing, Standing::Breached);
    assert_eq!(look.durations(&[], &[run(3, Status::Failed, "2026-11-27T01:40:00Z"), short.clone()]).standing, Standing::Breached);
    assert_eq!(look.durations(&[], &[long, short]).standing, Standing::Fine);
}

#[test]
fn a_backlog_is_measured_by_number_and_age() {
    let (rule, times) = (rule(Expectations { max_backlog: Some(2), max_pending_age_s: Some(600), ..Expectations::default() }), times(None));
    let look = look(&rule, &times, NOW, NOW);
    let facts = |waiting, oldest: &str| QueueFacts { waiting, oldest_at: Some(at(oldest)), is_paused: false };
    assert_eq!(look.backlog(&QueueFacts::default()).due_at, Some(at("2026-11-27T02:00:15Z")));
    assert_eq!(look.backlog(&facts(2, "2026-11-27T01:59:00Z")).standing, Standing::Fine);
    assert_eq!(look.backlog(&facts(3, "2026-11-27T01:59:00Z")).standing, Standing::Breached);
    let old = look.backlog(&facts(1, "2026-11-27T01:45:00Z"));
    assert_eq!((old.standing, old.at), (Standing::Breached, Some(at("2026-11-27T01:55:00Z"))));
    assert_eq!(look.backlog(&QueueFacts { is_paused: true, ..facts(9, "2026-11-27T01:00:00Z") }).standing, Standing::Fine);
}

#[test]
fn an_age_wakes_when_the_oldest_reaches_it() {
    let (rule, times) = (rule(Expectations { max_pending_age_s: Some(600), ..Expectations::default() }), times(None));
    let look = look(&rule, &times, NOW, NOW);
    let due = |oldest: Option<&str>| look.backlog(&QueueFacts { waiting: 1, oldest_at: oldest.map(at), is_paused: false }).due_at;
    assert_eq!(due(Some("2026-11-27T01:52:00Z")), Some(at("2026-11-27T02:02:00Z")));
    assert_eq!(due(None), Some(at("2026-11-27T02:10:00Z")), "one that arrives now");
}

#[test]
fn a_worker_is_gone_unless_it_signed_off() {
    let (rule, times) = (rule(Expectations { worker_gone_after_s: Some(60), ..Expectations::default() }), times(None));
    let look = look(&rule, &times, NOW, NOW);
    let standing = |seen: &str, stopped: Option<&str>| {
        look.worker(&WorkerFacts { life: Life { last_seen_at: at(seen), paused_at: None, stopped_at: stopped.map(at) } }).standing
    };
    assert_eq!(standing("2026-11-27T01:59:01Z", None), Standing::Fine);
    assert_eq!(standing("2026-11-27T01:59:00Z", None), Standing::Breached);
    assert_eq!(standing("2026-11-26T00:00:00Z", Some("2026-11-26T00:00:00Z")), Standing::Fine);
}

#[test]
fn a_schedule_is_dead_that_nobody_meant_to_end() {
    let (rule, times) = (rule(Expectations { alert_on_dead_schedule: true, ..Expectations::default() }), times(None));
    let look = look(&rule, &times, NOW, NOW);
    for (enabled, state, reason, expected) in [
        (true, ScheduleState::Active, None, Standing::Fine),
        (true, ScheduleState::Blocked, Some(StateReason::Unusable), Standing::Breached),
        (true, ScheduleState::Ended, Some(StateReason::NoDate), Standing::Breached),
        (true, ScheduleState::Ended, Some(StateReason::Excluded), Standing::Breached),
        (true, ScheduleState::Ended, Some(StateReason::OneTimePassed), Standing::Fine),
        (true, ScheduleState::Ended, Some(StateReason::EndPassed), Standing::Fine),
        (true, ScheduleState::Paused, Some(StateReason::PausedOpen), Standing::Fine),
        (false, ScheduleState::Blocked, Some(StateReason::Unusable), Standing::Fine),
    ] {
        assert_eq!(
            look.schedule(&ScheduleFacts { enabled, state, reason, updated_at: at(NOW), next_at: None }).standing,
            expected,
            "{state} {reason:?}"
        );
    }
}

#[test]
fn a_part_of_the_hub_is_stuck_after_twice_its_interval_and_two_minutes() {
    let (rule, times) = (rule(Expectations { watch_hub: true, ..Expectations::default() }), times(None));
    let look = look(&rule, &times, "2026-11-27T01:00:00Z", NOW);
    let standing = |last: Option<&str>, every| {
        let part = HubPart { name: "expired_leases".to_owned(), last_at: last.map(at), every: TimeDelta::seconds(every), error: None };
        look.hub(&part).standing
    };
    assert_eq!(standing(Some("2026-11-27T01:58:01Z"), 5), Standing::Fine);
    assert_eq!(standing(Some("2026-11-27T01:58:00Z"), 5), Standing::Breached);
    assert_eq!(standing(Some("2026-11-27T01:30:00Z"), 1800), Standing::Fine);
    assert_eq!(standing(None, 5), Standing::Breached);
}
