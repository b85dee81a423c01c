//! When schedules fire: crontab's cases through the loop, pauses, downtime, clocks.

use chrono::{DateTime, TimeDelta, Utc};
use domain::schedule::{MisfirePolicy, ScheduleState, StateReason};
use serde_json::json;
use store::schedules::{Draft, FireState, Spec};
use test_support::Backend;

use super::{
    super::watch::Watch,
    on_both,
    world::{World, at, cron, with_policy},
};

on_both!(
    crontabs_cases_fire_when_crontab_says,
    the_instant_of_saving_is_not_due_and_an_early_timer_changes_nothing,
    a_pause_over_the_due_time_is_not_a_late_one,
    a_pause_with_an_end_ends_by_itself,
    three_days_down_end_as_the_policy_says,
    a_clock_that_goes_back_repeats_nothing,
    a_clock_that_was_days_ahead_silences_nothing,
    other_times_count_from_the_change,
    dates_are_those_of_the_slot,
    a_single_time_fires_once_and_ends,
    every_schedule_is_looked_at_with_other_zones,
);

fn ats(texts: &[&str]) -> Vec<DateTime<Utc>> {
    texts.iter().map(|text| at(text)).collect()
}

/// Expression, zone, when it is saved, and its next fires.
const CASES: [(&str, &str, &str, &[&str]); 9] = [
    (
        "0 0 13 * 5",
        "UTC",
        "2026-11-26T00:00:00Z",
        &["2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z", "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z"],
    ),
    ("0 9 * * 1#1", "UTC", "2026-11-26T12:00:00Z", &["2026-12-07T09:00:00Z", "2027-01-04T09:00:00Z"]),
    (
        "0 0 * * 5-7",
        "UTC",
        "2026-11-26T00:00:00Z",
        &["2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z", "2026-12-04T00:00:00Z"],
    ),
    ("0 12 1W * *", "UTC", "2027-04-30T13:00:00Z", &["2027-05-03T12:00:00Z", "2027-06-01T12:00:00Z"]),
    ("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]),
    ("30 2 * * *", "America/New_York", "2027-03-13T12:00:00Z", &["2027-03-14T07:00:00Z", "2027-03-15T06:30:00Z"]),
    ("30 1 * * *", "America/New_York", "2027-11-06T12:00:00Z", &["2027-11-07T05:30:00Z", "2027-11-08T06:30:00Z"]),
    ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", &["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"]),
    ("0 9 * * 1-5", "Africa/Casablanca", "2026-11-27T12:00:00Z", &["2026-11-30T09:00:00Z"]),
];

async fn crontabs_cases_fire_when_crontab_says(backend: Backend) {
    let world = World::start(backend, "2018-01-01T00:00:00Z").await;
    let due = world.replica();
    for (expression, timezone, saved, expected) in CASES {
        world.clock.set(at(saved));
        let id = world.save(&Draft { timezone: timezone.to_owned(), ..cron(&world, expression) }).await;
        world.run_until(&due, expected[expected.len() - 1]).await;
        assert_eq!(world.ran(id).await, ats(expected), "{expression} {timezone}");
        world.change(id, |draft| draft.enabled = false).await;
        world.look(&due).await;
    }
    world.end().await;
}

async fn the_instant_of_saving_is_not_due_and_an_early_timer_changes_nothing(backend: Backend) {
    let world = World::start(backend, "2026-11-26T12:00:00Z").await;
    let due = world.replica();
    let today = "2026-11-26T12:00:00Z";
    let at_the_instant = world.save(&cron(&world, "0 12 * * *")).await;
    world.clock.set(at("2026-11-26T11:59:59.999Z"));
    let before = world.save(&Draft { name: "before".to_owned(), ..cron(&world, "0 12 * * *") }).await;
    world.look(&due).await;
    world.clock.set(at(today));
    world.look(&due).await;
    assert_eq!((world.ran(at_the_instant).await, world.ran(before).await), (vec![], ats(&[today])));
    assert_eq!(world.get(before).await.wake_at, Some(at("2026-11-27T12:00:00Z")));
    // Somebody wakes it a moment early: nothing runs, and the slot is still that of noon.
    world.clock.set(at("2026-11-27T11:59:59.998Z"));
    world.change(before, |draft| draft.jitter_s = 0).await;
    world.look(&due).await;
    assert_eq!(world.ran(before).await.len(), 1);
    world.run_until(&due, "2026-11-27T12:00:00.500Z").await;
    assert_eq!(world.ran(before).await, ats(&[today, "2026-11-27T12:00:00Z"]));
    assert_eq!(world.get(before).await.wake_at, Some(at("2026-11-28T12:00:00Z")));
    world.end().await;
}

async fn a_pause_over_the_due_time_is_not_a_late_one(backend: Backend) {
    let world = World::start(backend, "2026-11-25T15:00:00Z").await;
    let due = world.replica();
    let daily = Draft { timezone: "America/Sao_Paulo".to_owned(), ..cron(&world, "0 9 * * *") };
    let skip = world.save(&daily).await;
    let last = world.save(&Draft { name: "last".to_owned(), ..with_policy(daily, MisfirePolicy::Last) }).await;
    world.run_until(&due, "2026-11-26T11:00:00Z").await;
    world.pause(None).await;
    world.look(&due).await;
    let paused = world.get(skip).await;
    assert_eq!((paused.state, paused.state_reason, paused.wake_at), (ScheduleState::Paused, Some(StateReason::PausedOpen), None));
    world.clock.set(at("2026-11-26T11:30:00Z"));
    world.resume().await;
    world.run_until(&due, "2026-11-27T11:59:00Z").await;
    assert_eq!(world.ran(skip).await, ats(&["2026-11-26T12:00:00Z"]), "a pause that was over by then");
    world.pause(None).await;
    world.run_until(&due, "2026-11-27T12:01:00Z").await;
    world.resume().await;
    world.look(&due).await;
    assert_eq!(world.ran(skip).await.len(), 1);
    let skipped = world.fires(skip).await.pop().unwrap();
    assert_eq!((skipped.state, skipped.reason.as_deref(), skipped.slots), (FireState::Skipped, Some("paused"), 1));
    assert_eq!(world.ran(last).await, ats(&["2026-11-26T12:00:00Z", "2026-11-27T12:00:00Z"]));
    assert_eq!(world.get(skip).await.wake_at, Some(at("2026-11-28T12:00:00Z")));
    world.end().await;
}

async fn a_pause_with_an_end_ends_by_itself(backend: Backend) {
    let world = World::start(backend, "2026-11-26T00:00:00Z").await;
    let due = world.replica();
    let id = world.save(&cron(&world, "0 * * * *")).await;
    world.pause(Some("2026-11-26T02:30:00Z")).await;
    world.look(&due).await;
    let paused = world.get(id).await;
    assert_eq!((paused.state, paused.wake_at), (ScheduleState::Paused, Some(at("2026-11-26T02:30:00Z"))));
    world.run_until(&due, "2026-11-26T04:00:00Z").await;
    assert_eq!(world.ran(id).await, ats(&["2026-11-26T03:00:00Z", "2026-11-26T04:00:00Z"]));
    assert_eq!(world.get(id).await.state, ScheduleState::Active);
    let left = store::schedules::schedule_list_pauses_unscoped(&world.database, &[id]).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    world.end().await;
}

async fn three_days_down_end_as_the_policy_says(backend: Backend) {
    let world = World::start(backend, "2026-11-20T00:30:00Z").await;
    let due = world.replica();
    let mut ids = Vec::new();
    for policy in [MisfirePolicy::Skip, MisfirePolicy::Last, MisfirePolicy::All] {
        let draft = Draft { name: policy.as_str().to_owned(), ..with_policy(cron(&world, "0 */6 * * *"), policy) };
        ids.push(world.save(&draft).await);
    }
    world.look(&due).await;
    world.clock.set(at("2026-11-23T01:15:00Z"));
    world.look(&due).await;
    let first = at("2026-11-20T06:00:00Z");
    let all: Vec<_> = (0..12).map(|nth| first + TimeDelta::hours(6 * nth)).collect();
    for (id, expected) in ids.iter().zip([vec![], ats(&["2026-11-23T00:00:00Z"]), all]) {
        assert_eq!(world.ran(*id).await, expected);
        let schedule = world.get(*id).await;
        assert_eq!((schedule.state, schedule.wake_at), (ScheduleState::Active, Some(at("2026-11-23T06:00:00Z"))));
    }
    let missed = world.fires(ids[0]).await;
    assert_eq!((missed.len(), missed[0].slot_at, missed[0].slots), (1, first, 12));
    assert_eq!((missed[0].last_slot_at, missed[0].reason.as_deref()), (at("2026-11-23T00:00:00Z"), Some("missed")));
    // The jobs of `all` are in the order of their slots.
    let fires = world.fires(ids[2]).await;
    assert!(fires.is_sorted_by_key(|fire| fire.job_id));
    world.run_until(&due, "2026-11-23T06:00:00Z").await;
    for (id, count) in ids.iter().zip([1, 2, 13]) {
        assert_eq!(world.ran(*id).await.len(), count);
    }
    world.end().await;
}

async fn a_clock_that_goes_back_repeats_nothing(backend: Backend) {
    let world = World::start(backend, "2026-11-26T11:00:00Z").await;
    let due = world.replica();
    let mut watch = Watch::new(&due);
    let id = world.save(&cron(&world, "*/10 * * * *")).await;
    world.watch(&due, &mut watch).await;
    world.run_until(&due, "2026-11-26T12:00:00Z").await;
    assert_eq!(world.ran(id).await.len(), 6);
    world.watch(&due, &mut watch).await;
    world.clock.set(at("2026-11-26T11:25:00Z"));
    world.watch(&due, &mut watch).await;
    world.run_until(&due, "2026-11-26T12:09:00Z").await;
    assert_eq!(world.ran(id).await.len(), 6);
    world.run_until(&due, "2026-11-26T12:10:00Z").await;
    assert_eq!(world.ran(id).await.last(), Some(&at("2026-11-26T12:10:00Z")));
    world.end().await;
}

async fn a_clock_that_was_days_ahead_silences_nothing(backend: Backend) {
    let world = World::start(backend, "2026-11-26T11:00:00Z").await;
    let due = world.replica();
    let id = world.save(&cron(&world, "0 * * * *")).await;
    world.look(&due).await;
    // Ten days ahead by mistake, and the process ends before the clock is corrected: the next one finds it out.
    world.clock.set(at("2026-12-06T11:00:00Z"));
    world.look(&due).await;
    world.clock.set(at("2026-11-26T11:05:00Z"));
    let mut watch = Watch::new(&due);
    for _ in 0..3 {
        world.watch(&due, &mut watch).await;
    }
    let before = world.ran(id).await.len();
    world.run_until(&due, "2026-11-26T13:00:00Z").await;
    let ran = world.ran(id).await;
    assert!(ran.contains(&at("2026-11-26T12:00:00Z")) && ran.contains(&at("2026-11-26T13:00:00Z")), "{ran:?}");
    assert_eq!(ran.len(), before + 2);
    world.end().await;
}

async fn other_times_count_from_the_change(backend: Backend) {
    let world = World::start(backend, "2026-11-26T08:00:00Z").await;
    let due = world.replica();
    let id = world.save(&cron(&world, "0 9 * * *")).await;
    world.run_until(&due, "2026-11-26T10:30:00Z").await;
    world.change(id, |draft| draft.spec = Spec::Cron("0 10,11 * * *".to_owned())).await;
    world.run_until(&due, "2026-11-26T12:00:00Z").await;
    assert_eq!(world.ran(id).await, ats(&["2026-11-26T09:00:00Z", "2026-11-26T11:00:00Z"]), "10:00 was before the change");
    world.change(id, |draft| draft.enabled = false).await;
    world.run_until(&due, "2026-11-27T10:30:00Z").await;
    let off = world.get(id).await;
    assert_eq!((off.state, off.state_reason, off.wake_at), (ScheduleState::Disabled, Some(StateReason::SwitchedOff), None));
    world.change(id, |draft| draft.enabled = true).await;
    world.run_until(&due, "2026-11-27T11:00:00Z").await;
    assert_eq!(world.ran(id).await.last(), Some(&at("2026-11-27T11:00:00Z")));
    assert_eq!(world.fires(id).await.len(), 3, "what came while it was off is not missed");
    world.end().await;
}

async fn dates_are_those_of_the_slot(backend: Backend) {
    let world = World::start(backend, "2026-11-26T20:00:00Z").await;
    let due = world.replica();
    let parameters = json!({"day": "{{today}}", "before": ["{{prev_run|yyyy-MM-dd}}"], "next": "{{next_business_day}}"});
    let daily = Draft {
        timezone: "America/Sao_Paulo".to_owned(),
        parameters: parameters.as_object().unwrap().clone(),
        ..with_policy(cron(&world, "30 23 * * *"), MisfirePolicy::All)
    };
    let id = world.save(&daily).await;
    world.look(&due).await;
    // Late by a day and more: the dates are those at which the runs were due, in the schedule's zone.
    world.clock.set(at("2026-11-28T12:00:00Z"));
    world.look(&due).await;
    let jobs: Vec<_> = world.fires(id).await.into_iter().filter_map(|fire| fire.job_id).collect();
    let expected = [
        json!({"day": "26/11/2026", "before": ["2026-11-26"], "next": "27/11/2026"}),
        json!({"day": "27/11/2026", "before": ["2026-11-26"], "next": "30/11/2026"}),
    ];
    assert_eq!(jobs.len(), 2);
    for (job, expected) in jobs.into_iter().zip(expected) {
        assert_eq!(serde_json::Value::Object(world.parameters(job).await), expected);
    }
    world.end().await;
}

async fn a_single_time_fires_once_and_ends(backend: Backend) {
    let world = World::start(backend, "2026-11-26T08:00:00Z").await;
    let due = world.replica();
    let mut events = world.context.events.subscribe(&["schedule."]);
    let id = world.save(&Draft { spec: Spec::Once(at("2026-11-26T09:00:00Z")), ..cron(&world, "x") }).await;
    world.run_until(&due, "2026-11-26T10:00:00Z").await;
    assert_eq!(world.ran(id).await, ats(&["2026-11-26T09:00:00Z"]));
    let ended = world.get(id).await;
    assert_eq!((ended.state, ended.state_reason, ended.wake_at), (ScheduleState::Ended, Some(StateReason::OneTimePassed), None));
    for kind in ["schedule.fired", "schedule.ended"] {
        let runtime::events::Notice::Event(event) = events.next().await else { panic!("missed") };
        assert_eq!((event.kind.as_ref(), &event.data["schedule_id"]), (kind, &json!(id.to_string())));
        assert_eq!(event.data["automation_id"], json!(world.automation.get()));
    }
    world.end().await;
}

async fn every_schedule_is_looked_at_with_other_zones(backend: Backend) {
    let world = World::start(backend, "2026-11-26T08:00:00Z").await;
    let due = world.replica();
    let id = world.save(&cron(&world, "0 9 * * *")).await;
    world.look(&due).await;
    store::schedules::scheduler_state_put(&world.database, "zones", due.zones.version()).await.unwrap();
    let mut watch = Watch::new(&due);
    for _ in 0..3 {
        world.watch(&due, &mut watch).await;
    }
    // The automation was changed before this scheduler looked first.
    world.look(&due).await;
    assert_eq!(world.get(id).await.wake_at, Some(at("2026-11-26T09:00:00Z")));
    store::schedules::scheduler_state_put(&world.database, "zones", "2020a").await.unwrap();
    let mut watch = Watch::new(&due);
    world.watch(&due, &mut watch).await;
    assert_eq!(world.get(id).await.wake_at, Some(store::schedules::AT_ONCE));
    for _ in 0..2 {
        world.watch(&due, &mut watch).await;
    }
    let known = store::schedules::scheduler_state(&world.database, "zones").await.unwrap();
    assert_eq!(known.as_deref(), Some(due.zones.version()));
    world.end().await;
}
