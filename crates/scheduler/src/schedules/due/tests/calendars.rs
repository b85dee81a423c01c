//! What calendars do to fires, from their rows to the jobs.

use std::collections::BTreeMap;

use domain::{
    calendar::{Blackout, BlackoutSpan, Calendar, Day, DayRule, HolidaySet, Hours, OnBlackout},
    ids::CalendarId,
    schedule::{Cron, SkipReason},
};
use store::{
    calendars::{Filter, Stored, Update, calendar_get_unscoped, calendar_insert, calendar_list_unscoped, calendar_update},
    schedules::{CalendarUse, Draft, FireState},
};
use test_support::Backend;
use uuid::Uuid;

use super::{
    on_both,
    world::{World, at, cron},
};

on_both!(
    fires_on_holidays_are_skipped_or_moved_as_the_rule_says,
    the_first_business_day_is_that_of_the_calendar,
    a_changed_calendar_counts_for_the_next_slot,
    blackouts_skip_or_hold_fires,
);

async fn named(world: &World, name: &str) -> CalendarId {
    let filter = Filter { name: Some(name.to_owned()), limit: 1, ..Filter::default() };
    calendar_list_unscoped(&world.database, &filter).await.unwrap()[0].id
}

async fn insert(world: &World, calendar: &Calendar) -> Stored {
    calendar_insert(&world.database, &test_support::change(), Uuid::now_v7().into(), calendar, world.clock.now()).await.unwrap()
}

fn using(draft: Draft, name: &str, id: CalendarId, rule: DayRule) -> Draft {
    Draft { name: name.to_owned(), calendar: Some(CalendarUse { id, rule, on_blackout: OnBlackout::Skip }), ..draft }
}

/// The slots that have jobs, without their zone.
async fn ran(world: &World, id: domain::ids::ScheduleId) -> Vec<String> {
    world.ran(id).await.into_iter().map(|slot| slot.format("%m-%d %H:%M").to_string()).collect()
}

async fn fires_on_holidays_are_skipped_or_moved_as_the_rule_says(backend: Backend) {
    let world = World::start(backend, "2026-11-19T00:00:00Z").await;
    let (due, brazil) = (world.replica(), named(&world, "Brasil (nacional)").await);
    // The 20th is a holiday and a Friday.
    let mut saved = Vec::new();
    for (name, expression, rule, expected) in [
        ("only", "0 12 * * *", DayRule::Only, vec!["11-19 12:00", "11-23 12:00"]),
        ("except", "0 12 * * *", DayRule::Except, vec!["11-20 12:00", "11-21 12:00", "11-22 12:00"]),
        ("next", "0 12 20 * *", DayRule::Next, vec!["11-23 12:00"]),
        ("previous", "0 12 20 * *", DayRule::Previous, vec!["11-19 12:00"]),
        ("moved together", "0 12 20-23 11 *", DayRule::Next, vec!["11-23 12:00"]),
    ] {
        let id = world.save(&using(cron(&world, expression), name, brazil, rule)).await;
        saved.push((name, id, expected));
    }
    world.run_until(&due, "2026-11-24T00:00:00Z").await;
    for (name, id, expected) in saved {
        assert_eq!(ran(&world, id).await, expected, "{name}");
    }
    world.end().await;
}

async fn the_first_business_day_is_that_of_the_calendar(backend: Backend) {
    for (from, until, name, expected) in [
        ("2025-02-28T12:00:00Z", "2025-03-31T00:00:00Z", "Brasil (nacional)", "03-03 08:00"),
        ("2025-02-28T12:00:00Z", "2025-03-31T00:00:00Z", "Brasil (bancos)", "03-05 08:00"),
        ("2026-10-31T12:00:00Z", "2026-11-30T00:00:00Z", "Brasil (nacional)", "11-03 08:00"),
        ("2026-12-31T12:00:00Z", "2027-01-31T00:00:00Z", "Brasil (nacional)", "01-04 08:00"),
    ] {
        let world = World::start(backend, from).await;
        let (due, calendar) = (world.replica(), named(&world, name).await);
        let id = world.save(&using(cron(&world, "0 8 * * *"), "first", calendar, DayRule::Nth(1))).await;
        world.run_until(&due, until).await;
        assert_eq!(ran(&world, id).await, [expected], "{name} {from}");
        world.end().await;
    }
}

async fn a_changed_calendar_counts_for_the_next_slot(backend: Backend) {
    let world = World::start(backend, "2026-12-01T13:00:00Z").await;
    let due = world.replica();
    let stored = insert(&world, &Calendar::weekdays("office")).await;
    let id = world.save(&using(cron(&world, "0 12 * * *"), "s", stored.id, DayRule::Only)).await;
    world.run_until(&due, "2026-12-02T13:00:00Z").await;
    assert_eq!(world.get(id).await.wake_at, Some(at("2026-12-03T12:00:00Z")));
    let closed = Day { name: "closed".to_owned(), hours: Hours::none() };
    let days = BTreeMap::from(["2026-12-03", "2026-12-04"].map(|day| (day.parse().unwrap(), closed.clone())));
    let calendar = Calendar { days, ..Calendar::weekdays("office") };
    let by = test_support::change();
    let now = world.clock.now();
    let updated = calendar_update(&world.database, (&by, "calendar.update"), (stored.id, stored.revision), &calendar, now).await;
    assert!(matches!(updated.unwrap(), Update::Done(_)));
    world.run_until(&due, "2026-12-08T00:00:00Z").await;
    assert_eq!(ran(&world, id).await, ["12-02 12:00", "12-07 12:00"]);
    assert_eq!(calendar_get_unscoped(&world.database, stored.id).await.unwrap().unwrap().revision, 2);
    world.end().await;
}

async fn blackouts_skip_or_hold_fires(backend: Backend) {
    let world = World::start(backend, "2026-12-01T00:00:00Z").await;
    let due = world.replica();
    let recurring = BlackoutSpan::Recurring { start: Cron::parse("0 22 * * *").unwrap(), minutes: 8 * 60 };
    let once = BlackoutSpan::Once { from: at("2026-12-01T09:00:00Z"), to: at("2026-12-01T12:30:00Z") };
    let blackouts = [recurring, once].map(|span| Blackout { name: String::new(), span }).to_vec();
    let all_week = std::array::from_fn(|_| Hours::all());
    let stored = insert(&world, &Calendar { week: all_week, blackouts, ..Calendar::with_holidays("x", [HolidaySet::Br]) }).await;
    let skips = using(cron(&world, "0 */3 * * *"), "skips", stored.id, DayRule::Only);
    let holds = Draft {
        name: "holds".to_owned(),
        calendar: Some(CalendarUse { id: stored.id, rule: DayRule::Only, on_blackout: OnBlackout::Hold }),
        ..skips.clone()
    };
    let (skips, holds) = (world.save(&skips).await, world.save(&holds).await);
    world.run_until(&due, "2026-12-01T23:00:00Z").await;
    assert_eq!(ran(&world, skips).await, ["12-01 06:00", "12-01 15:00", "12-01 18:00", "12-01 21:00"]);
    let fires = world.fires(holds).await;
    let held = fires.iter().find(|fire| fire.state == FireState::Created && fire.slot_at == at("2026-12-01T12:00:00Z")).unwrap();
    assert_eq!(held.run_at, Some(at("2026-12-01T12:30:00Z")), "the last of those that were held, when the blackout has ended");
    let blackout = Some(SkipReason::Blackout.as_str().to_owned());
    assert!(fires.iter().any(|fire| fire.slot_at == at("2026-12-01T09:00:00Z") && fire.reason == blackout), "{fires:?}");
    world.end().await;
}
