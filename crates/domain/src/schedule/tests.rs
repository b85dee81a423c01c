mod properties;

use chrono::TimeDelta;

use super::*;
use crate::calendar::{Blackout, BlackoutSpan, HolidaySet};

fn zone(name: &str) -> Zone {
    Zones::bundled().get(name).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn cron(text: &str, zone_name: &str) -> Schedule {
    Schedule::new(ScheduleId::new(uuid::Uuid::from_u128(7)), Spec::Cron(Cron::parse(text).unwrap()), zone(zone_name))
}

fn interval(seconds: i64, anchor: &str) -> Schedule {
    Schedule { spec: Spec::Interval { seconds, anchor: at(anchor) }, ..cron("@daily", "America/Sao_Paulo") }
}

fn once(text: &str) -> Schedule {
    Schedule { spec: Spec::Once(at(text)), ..cron("@daily", "America/Sao_Paulo") }
}

fn with_calendar(schedule: Schedule, calendar: Calendar, rule: DayRule) -> Schedule {
    let calendar = CalendarUse { calendar: Arc::new(calendar), rule, on_blackout: OnBlackout::Skip };
    Schedule { calendar: Some(calendar), ..schedule }
}

fn bank() -> Calendar {
    Calendar::with_holidays("bank", [HolidaySet::BrBank])
}

/// The local times of the first slots after an instant.
#[track_caller]
fn local(schedule: &Schedule, after: &str, expected: &[&str]) {
    let slots = schedule.next_slots(at(after), expected.len());
    let shown: Vec<_> = slots.iter().map(|slot| slot.local.format("%m-%d %H:%M").to_string()).collect();
    assert_eq!(shown, expected);
}

fn misfire(schedule: Schedule, policy: MisfirePolicy) -> Schedule {
    Schedule { misfire: Misfire { policy, ..Misfire::default() }, ..schedule }
}

/// Slots that run, and how many are skipped.
fn decided(decision: &Decision) -> (Vec<DateTime<Utc>>, usize) {
    (decision.runs.iter().map(|slot| slot.at).collect(), decision.skipped.iter().map(|skipped| skipped.count).sum())
}

#[test]
fn the_next_slot_is_counted_from_the_slot_and_not_from_the_clock() {
    let noon = cron("0 12 * * *", "UTC");
    let decide = |cursor: &str, now: &str| noon.decide(at(cursor), &[], at(now));
    let early = decide("2026-11-26T09:00:00Z", "2026-11-26T11:59:59.998Z");
    assert_eq!((decided(&early).0, early.wake_at), (vec![], Some(at("2026-11-26T12:00:00Z"))));
    let due = decide("2026-11-26T09:00:00Z", "2026-11-26T12:00:00.001Z");
    assert_eq!(decided(&due).0, [at("2026-11-26T12:00:00Z")]);
    assert_eq!((due.cursor, due.wake_at), (at("2026-11-26T12:00:00Z"), Some(at("2026-11-27T12:00:00Z"))));
    let again = noon.decide(due.cursor, &[], at("2026-11-26T11:59:59.999Z"));
    assert_eq!((decided(&again), again.cursor), ((vec![], 0), due.cursor), "a clock that went back repeats nothing");
    assert_eq!(decide("2026-11-26T12:00:00Z", "2026-11-26T12:00:00Z").wake_at, Some(at("2026-11-27T12:00:00Z")), "saved when it was due");
}

#[test]
fn a_pause_over_the_due_time_is_a_missed_slot() {
    let nine = |policy| misfire(cron("0 9 * * *", "America/Sao_Paulo"), policy);
    let pause = |from: &str, until: &str| [PauseSpan { from: at(from), until: Some(at(until)) }];
    let before = nine(MisfirePolicy::Skip);
    let decision =
        before.decide(at("2026-11-27T10:00:00Z"), &pause("2026-11-27T11:00:00Z", "2026-11-27T11:30:00Z"), at("2026-11-27T12:00:00Z"));
    assert_eq!(decided(&decision), (vec![at("2026-11-27T12:00:00Z")], 0));
    let over = pause("2026-11-27T11:59:00Z", "2026-11-27T12:01:00Z");
    let resumed = at("2026-11-27T12:01:00Z");
    let skip = nine(MisfirePolicy::Skip).decide(at("2026-11-27T10:00:00Z"), &over, resumed);
    assert_eq!((decided(&skip), skip.wake_at), ((vec![], 1), Some(at("2026-11-28T12:00:00Z"))));
    assert_eq!(skip.skipped[0].reason, SkipReason::Paused);
    let last = nine(MisfirePolicy::Last).decide(at("2026-11-27T10:00:00Z"), &over, resumed);
    assert_eq!((decided(&last), last.wake_at), ((vec![at("2026-11-27T12:00:00Z")], 0), Some(at("2026-11-28T12:00:00Z"))));
    let during = nine(MisfirePolicy::All).decide(at("2026-11-27T10:00:00Z"), &over, at("2026-11-27T12:00:30Z"));
    assert_eq!((decided(&during), during.wake_at), ((vec![], 0), Some(resumed)));
    let open = [PauseSpan { from: at("2026-11-27T11:59:00Z"), until: None }];
    assert_eq!(nine(MisfirePolicy::All).decide(at("2026-11-27T10:00:00Z"), &open, at("2027-11-27T12:00:30Z")).wake_at, None);
}

#[test]
fn three_days_down_end_as_the_misfire_policy_says() {
    let six_hours = |policy| misfire(cron("0 */6 * * *", "UTC"), policy);
    let (cursor, now) = (at("2026-11-20T00:00:00Z"), at("2026-11-23T01:15:00Z"));
    let decide = |policy| six_hours(policy).decide(cursor, &[], now);
    let slots: Vec<_> = six_hours(MisfirePolicy::All).slots_between(cursor, now).map(|slot| slot.at).collect();
    assert_eq!((slots.len(), slots[0], slots[11]), (12, at("2026-11-20T06:00:00Z"), at("2026-11-23T00:00:00Z")));
    assert_eq!(decided(&decide(MisfirePolicy::Skip)), (vec![], 12));
    assert_eq!(decided(&decide(MisfirePolicy::Last)), (vec![at("2026-11-23T00:00:00Z")], 11));
    assert_eq!(decided(&decide(MisfirePolicy::All)), (slots.clone(), 0));
    for policy in MisfirePolicy::ALL {
        let decision = decide(policy);
        assert_eq!((decision.cursor, decision.wake_at), (slots[11], Some(at("2026-11-23T06:00:00Z"))), "{policy}");
    }
    let mut limited = six_hours(MisfirePolicy::All);
    limited.misfire.limit = 5;
    let decision = limited.decide(cursor, &[], now);
    assert_eq!(decided(&decision), (slots[7..].to_vec(), 7));
    assert_eq!(decision.skipped[0].reason, SkipReason::OverLimit);
}

#[test]
fn skipped_slots_without_those_that_ran_are_counted_between_them() {
    let hourly = misfire(cron("0 * * * *", "UTC"), MisfirePolicy::Skip);
    let decision = hourly.decide(at("2026-11-26T00:30:00Z"), &[], at("2026-11-26T10:30:00Z"));
    let [group] = decision.skipped[..] else { panic!("{decision:?}") };
    assert_eq!((group.first, group.last, group.count), (at("2026-11-26T01:00:00Z"), at("2026-11-26T10:00:00Z"), 10));
    let hour = |hour: u32| at(&format!("2026-11-26T{hour:02}:00:00Z"));
    for (ran, left) in [
        (vec![], vec![(1, 10, 10)]),
        (vec![1], vec![(2, 10, 9)]),
        (vec![10], vec![(1, 9, 9)]),
        (vec![1, 2, 6], vec![(3, 5, 3), (7, 10, 4)]),
        ((1..=10).collect(), vec![]),
        (vec![11, 23], vec![(1, 10, 10)]),
    ] {
        let others = ran.iter().map(|nth| hour(*nth)).collect();
        let expected: Vec<_> =
            left.into_iter().map(|(first, last, count)| Skipped { first: hour(first), last: hour(last), count, ..group }).collect();
        assert_eq!(hourly.without(&group, &others), expected, "{ran:?}");
    }
}

#[test]
fn a_slot_within_the_grace_is_late_and_not_missed() {
    let mut minutes = misfire(cron("* * * * *", "UTC"), MisfirePolicy::Skip);
    minutes.misfire.grace_s = 180;
    let decision = minutes.decide(at("2026-11-26T12:00:00Z"), &[], at("2026-11-26T12:10:30Z"));
    let run = ["12:08", "12:09", "12:10"].map(|time| at(&format!("2026-11-26T{time}:00Z")));
    assert_eq!(decided(&decision), (run.to_vec(), 7));
    minutes.misfire.policy = MisfirePolicy::Last;
    assert_eq!(decided(&minutes.decide(at("2026-11-26T12:00:00Z"), &[], at("2026-11-26T12:10:30Z"))), (run.to_vec(), 7));
}

#[test]
fn what_a_year_of_downtime_costs_does_not_depend_on_the_slots_missed() {
    let seconds = misfire(cron("* * * * * *", "UTC"), MisfirePolicy::All);
    let decision = seconds.decide(at("2025-11-26T12:00:00Z"), &[], at("2026-11-26T12:00:00Z"));
    assert_eq!(decision.runs.len(), 61 + 100, "those within the grace, and as many as the limit");
    assert_eq!(decision.runs.last().unwrap().at, at("2026-11-26T12:00:00Z"));
    let older = decision.skipped[0];
    assert_eq!(
        (older.reason, older.first, older.count, older.more),
        (SkipReason::OverLimit, at("2025-11-26T12:00:01Z"), 10_000 + 839, true)
    );
    let once_a_year = misfire(cron("@yearly", "UTC"), MisfirePolicy::All);
    let decision = once_a_year.decide(at("1990-11-26T12:00:00Z"), &[], at("2026-11-26T12:00:00Z"));
    assert_eq!(decided(&decision).0.len(), 36);
}

#[test]
fn a_clock_that_was_far_ahead_does_not_silence_a_schedule() {
    let daily = misfire(cron("0 12 * * *", "UTC"), MisfirePolicy::Last);
    let ahead = daily.decide(at("2026-11-26T09:00:00Z"), &[], at("2036-01-01T00:00:00Z"));
    assert_eq!(ahead.cursor, at("2035-12-31T12:00:00Z"));
    let corrected = daily.decide(ahead.cursor, &[], at("2026-11-26T09:00:30Z"));
    assert_eq!((corrected.cursor, corrected.wake_at), (at("2026-11-26T09:00:30Z"), Some(at("2026-11-26T12:00:00Z"))));
}

#[test]
fn calendars_take_days_away_or_move_them() {
    // Carnival 2025: Monday 3 and Tuesday 4 March.
    let at_nine = || cron("0 9 * * *", "America/Sao_Paulo");
    let monday = || cron("0 9 * * 1", "America/Sao_Paulo");
    let after = "2025-02-27T13:00:00Z";
    local(&with_calendar(at_nine(), bank(), DayRule::Only), after, &["02-28 09:00", "03-05 09:00", "03-06 09:00"]);
    local(
        &with_calendar(at_nine(), bank(), DayRule::Except),
        after,
        &["03-01 09:00", "03-02 09:00", "03-03 09:00", "03-04 09:00", "03-08 09:00"],
    );
    local(&with_calendar(at_nine(), bank(), DayRule::Next), after, &["02-28 09:00", "03-05 09:00", "03-06 09:00"]);
    local(&with_calendar(monday(), bank(), DayRule::Next), after, &["03-05 09:00", "03-10 09:00"]);
    local(&with_calendar(monday(), bank(), DayRule::Previous), after, &["02-28 09:00", "03-10 09:00"]);
    local(&with_calendar(at_nine(), bank(), DayRule::Nth(1)), after, &["03-05 09:00", "04-01 09:00", "05-02 09:00"]);
    local(&with_calendar(at_nine(), bank(), DayRule::Nth(-1)), after, &["02-28 09:00", "03-31 09:00", "04-30 09:00"]);
    local(&with_calendar(at_nine(), bank(), DayRule::Nth(23)), after, &["07-31 09:00"]);
    let twice = cron("0 9,18 1-5 * *", "America/Sao_Paulo");
    local(&with_calendar(twice, bank(), DayRule::Next), "2025-02-28T23:00:00Z", &["03-05 09:00", "03-05 18:00", "04-01 09:00"]);
}

#[test]
fn working_hours_are_the_schedules_local_ones() {
    let mut office = Calendar::with_holidays("office", [HolidaySet::Br, HolidaySet::BrOptional]);
    let hours = crate::calendar::Hours::between([("08:00:00".parse().unwrap(), "18:00:00".parse().unwrap())]).unwrap();
    office.week = std::array::from_fn(|day| if matches!(day, 0 | 6) { crate::calendar::Hours::none() } else { hours.clone() });
    let hourly = with_calendar(cron("0 * * * *", "America/Sao_Paulo"), office.clone(), DayRule::Only);
    // Ash Wednesday 2026 is 18 February: work begins at 14:00.
    local(&hourly, "2026-02-14T00:00:00Z", &["02-18 14:00", "02-18 15:00", "02-18 16:00", "02-18 17:00", "02-19 08:00"]);
    let intervals = with_calendar(interval(3 * 3600, "2026-02-13T00:00:00Z"), office, DayRule::Only);
    local(&intervals, "2026-02-14T00:00:00Z", &["02-18 15:00", "02-19 09:00", "02-19 12:00"]);
}

#[test]
fn a_window_may_cross_midnight() {
    let windowed = |start: &str, end: &str| Schedule {
        window: Some(Window { start: start.parse().unwrap(), end: end.parse().unwrap() }),
        ..cron("0 */3 * * *", "America/Sao_Paulo")
    };
    local(&windowed("08:00:00", "18:00:00"), "2026-11-26T10:00:00Z", &["11-26 09:00", "11-26 12:00", "11-26 15:00", "11-27 09:00"]);
    local(&windowed("21:00:00", "03:00:00"), "2026-11-26T10:00:00Z", &["11-26 21:00", "11-27 00:00", "11-27 21:00"]);
    let frequent = Schedule { window: windowed("22:00:00", "22:30:00").window, ..interval(600, "2026-11-26T00:00:00Z") };
    local(&frequent, "2026-11-26T10:00:00Z", &["11-26 22:00", "11-26 22:10", "11-26 22:20", "11-27 22:00"]);
    // A slot that the clock skips is judged by the time that was meant.
    let gap = Schedule { window: windowed("02:00:00", "02:45:00").window, ..cron("30 2 * * *", "America/New_York") };
    assert_eq!(gap.next_slot(at("2027-03-13T12:00:00Z")).unwrap().at, at("2027-03-14T07:00:00Z"));
}

#[test]
fn intervals_are_counted_from_their_anchor_whatever_clocks_do() {
    let quarter = Schedule { zone: zone("America/New_York"), ..interval(5400, "2027-03-14T05:10:00Z") };
    let slots: Vec<_> = quarter.next_slots(at("2027-03-14T00:00:00Z"), 4).iter().map(|slot| slot.at.format("%H:%M").to_string()).collect();
    assert_eq!(slots, ["05:10", "06:40", "08:10", "09:40"]);
    assert_eq!(quarter.next_slot(at("2027-03-14T06:40:00Z")).unwrap().at, at("2027-03-14T08:10:00Z"));
    assert_eq!(quarter.next_slot(at("2036-01-01T00:00:00Z")).unwrap().at, at("2036-01-01T00:40:00Z"));
}

#[test]
fn start_and_end_bound_the_slots() {
    let mut daily = cron("0 12 * * *", "UTC");
    (daily.start_at, daily.end_at) = (Some(at("2026-12-01T12:00:00Z")), Some(at("2026-12-03T12:00:00Z")));
    local(&daily, "2026-11-26T00:00:00Z", &["12-01 12:00", "12-02 12:00"]);
    assert_eq!(daily.next_slots(at("2026-11-26T00:00:00Z"), 10).len(), 2);
    (daily.start_at, daily.end_at) = (Some(at("2026-12-01T12:00:00.5Z")), Some(at("2026-12-03T12:00:00.5Z")));
    local(&daily, "2026-11-26T00:00:00Z", &["12-02 12:00", "12-03 12:00"]);
    daily.start_at = Some(at("2050-01-01T00:00:00Z"));
    daily.end_at = None;
    daily.calendar = with_calendar(daily.clone(), bank(), DayRule::Only).calendar;
    assert_eq!(daily.next_slot(at("2026-11-26T00:00:00Z")).unwrap().at, at("2050-01-03T12:00:00Z"));
}

#[test]
fn blackouts_skip_fires_or_hold_them_until_they_end() {
    let mut calendar = Calendar::weekdays("x");
    calendar.week = std::array::from_fn(|_| crate::calendar::Hours::all());
    let span = BlackoutSpan::Once { from: at("2026-11-26T02:00:00Z"), to: at("2026-11-26T05:30:00Z") };
    calendar.blackouts.push(Blackout { name: "maintenance".into(), span });
    let mut hourly = with_calendar(cron("0 * * * *", "UTC"), calendar, DayRule::Only);
    local(&hourly, "2026-11-26T00:00:00Z", &["11-26 01:00", "11-26 06:00"]);
    hourly.calendar.as_mut().unwrap().on_blackout = OnBlackout::Hold;
    let slots = hourly.next_slots(at("2026-11-26T01:00:00Z"), 5);
    let runs: Vec<_> = slots.iter().map(|slot| (slot.run_at.format("%H:%M").to_string(), slot.held)).collect();
    assert_eq!(
        runs,
        [("05:30".to_owned(), true), ("05:30".into(), true), ("05:30".into(), true), ("05:30".into(), true), ("06:00".into(), false)]
    );
    let during = hourly.decide(at("2026-11-26T01:00:00Z"), &[], at("2026-11-26T04:30:00Z"));
    assert_eq!((decided(&during), during.wake_at), ((vec![], 0), Some(at("2026-11-26T05:30:00Z"))));
    let after = hourly.decide(at("2026-11-26T01:00:00Z"), &[], at("2026-11-26T05:30:00Z"));
    assert_eq!(decided(&after), (vec![at("2026-11-26T05:00:00Z")], 3), "one run for all that were held");
    assert_eq!((after.skipped[0].reason, after.wake_at), (SkipReason::Blackout, Some(at("2026-11-26T06:00:00Z"))));
    hourly.misfire.policy = MisfirePolicy::All;
    assert_eq!(decided(&hourly.decide(at("2026-11-26T01:00:00Z"), &[], at("2026-11-26T05:30:00Z"))).0.len(), 4);
}

#[test]
fn jitter_delays_runs_and_keeps_their_order() {
    let mut minutes = cron("* * * * *", "UTC");
    minutes.jitter_s = 600;
    let slots = minutes.next_slots(at("2026-11-26T00:00:00Z"), 1000);
    assert!(slots.iter().all(|slot| (0..=600).contains(&(slot.run_at - slot.at).num_seconds())));
    let (mut cursor, mut now, mut ran) = (at("2026-11-26T00:00:00Z"), at("2026-11-26T00:00:00Z"), Vec::new());
    minutes.misfire.grace_s = 3600;
    while ran.len() < 500 {
        let decision = minutes.decide(cursor, &[], now);
        assert!(decision.runs.iter().all(|slot| slot.run_at <= now));
        ran.extend(decision.runs.iter().map(|slot| slot.at));
        (cursor, now) = (decision.cursor, decision.wake_at.unwrap());
    }
    let expected: Vec<_> = slots[..ran.len()].iter().map(|slot| slot.at).collect();
    assert_eq!(ran, expected);
}

#[test]
fn standing_says_whether_it_fires_and_why_not() {
    let now = at("2026-11-26T12:00:00Z");
    let standing = |schedule: &Schedule, pauses: &[PauseSpan], automation| {
        let standing = schedule.standing(now, pauses, automation, now);
        (standing.state, standing.reason)
    };
    let ready = AutomationState::Ready;
    let daily = cron("@daily", "UTC");
    assert_eq!(standing(&daily, &[], ready), (ScheduleState::Active, None));
    assert_eq!(standing(&Schedule { enabled: false, ..daily.clone() }, &[], ready).1, Some(StateReason::SwitchedOff));
    let until = |until: Option<&str>| [PauseSpan { from: now, until: until.map(at) }];
    assert_eq!(standing(&daily, &until(Some("2026-11-26T13:00:00Z")), ready), (ScheduleState::Paused, Some(StateReason::PausedUntil)));
    assert_eq!(standing(&daily, &until(None), ready), (ScheduleState::Paused, Some(StateReason::PausedOpen)));
    assert_eq!(standing(&daily, &[], AutomationState::Archived), (ScheduleState::Blocked, Some(StateReason::AutomationArchived)));
    assert_eq!(standing(&daily, &[], AutomationState::Paused), (ScheduleState::Active, Some(StateReason::AutomationPaused)));
    let ended = |schedule: &Schedule| standing(schedule, &[], ready);
    assert_eq!(ended(&once("2026-11-26T12:00:00Z")), (ScheduleState::Ended, Some(StateReason::OneTimePassed)));
    assert_eq!(ended(&once("2026-11-26T12:00:01Z")), (ScheduleState::Active, None));
    let bounded = Schedule { end_at: Some(at("2026-11-27T00:00:00Z")), ..daily.clone() };
    assert_eq!(ended(&bounded), (ScheduleState::Ended, Some(StateReason::EndPassed)));
    let excluded = with_calendar(cron("0 0 1 1 *", "UTC"), bank(), DayRule::Only);
    assert_eq!(ended(&excluded), (ScheduleState::Ended, Some(StateReason::Excluded)));
    let leap = cron("0 0 29 2 *", "UTC");
    assert_eq!(leap.standing(at("2096-03-01T00:00:00Z"), &[], ready, at("2096-03-01T00:00:00Z")).state, ScheduleState::Active);
}

#[test]
fn each_fault_names_its_field() {
    let now = at("2026-11-26T12:00:00Z");
    let fields = |schedule: &Schedule| schedule.faults(now).into_iter().map(|fault| fault.field).collect::<Vec<_>>();
    let daily = cron("0 9 * * *", "America/Sao_Paulo");
    assert_eq!(fields(&daily), [""; 0]);
    let window = |start: &str, end: &str| Some(Window { start: start.parse().unwrap(), end: end.parse().unwrap() });
    let bad = Schedule {
        spec: Spec::Interval { seconds: 0, anchor: now },
        start_at: Some(at("2027-01-01T00:00:00Z")),
        end_at: Some(at("2026-11-26T12:00:00Z")),
        window: window("08:00:00", "08:00:00"),
        jitter_s: 3601,
        misfire: Misfire { policy: MisfirePolicy::All, limit: 0, grace_s: -1 },
        job: Overrides { max_concurrency: Some(0), retry_backoff_s: Some(-1), ..Overrides::default() },
        ..daily.clone()
    };
    assert_eq!(
        fields(&bad),
        [
            "interval_s",
            "jitter_s",
            "end_at",
            "end_at",
            "window_end",
            "jitter_s",
            "misfire_limit",
            "misfire_grace_s",
            "max_concurrency",
            "retry_backoff_s"
        ]
    );
    assert_eq!(fields(&once("2026-11-26T12:00:00Z")), ["run_once_at"]);
    assert_eq!(fields(&with_calendar(interval(60, "2026-11-26T00:00:00Z"), bank(), DayRule::Next)), ["calendar_rule"]);
    for (schedule, field) in [
        (cron("0 0 29 2 */7", "UTC"), "cron_expression"),
        (Schedule { window: window("10:00:00", "18:00:00"), ..daily.clone() }, "window_start"),
        (with_calendar(cron("0 9 25 12 *", "UTC"), bank(), DayRule::Only), "calendar_id"),
        (Schedule { end_at: Some(at("2026-11-27T11:59:59Z")), ..daily.clone() }, "end_at"),
        (with_calendar(once("2026-12-25T12:00:00Z"), bank(), DayRule::Only), "calendar_id"),
        (Schedule { start_at: Some(at("2026-12-25T12:00:01Z")), ..once("2026-12-25T12:00:00Z") }, "end_at"),
    ] {
        assert_eq!(fields(&schedule), [field], "{schedule:?}");
    }
    let far = Schedule { start_at: Some(at("2045-01-01T00:00:00Z")), ..daily };
    assert_eq!(fields(&far), [""; 0], "five years are counted from the start");
}

#[test]
fn a_search_that_a_calendar_makes_endless_ends() {
    let mut closed = Calendar::weekdays("closed");
    let span = BlackoutSpan::Recurring { start: Cron::parse("* * * * *").unwrap(), minutes: 1 };
    closed.blackouts.push(Blackout { name: "always".into(), span });
    assert_eq!(with_calendar(cron("* * * * *", "UTC"), closed.clone(), DayRule::Only).next_slot(at("2026-11-26T00:00:00Z")), None);
    closed.blackouts.clear();
    closed.week = std::array::from_fn(|_| crate::calendar::Hours::none());
    for rule in [DayRule::Only, DayRule::Next, DayRule::Previous, DayRule::Nth(1)] {
        assert_eq!(with_calendar(cron("* * * * *", "UTC"), closed.clone(), rule).next_slot(at("2026-11-26T00:00:00Z")), None, "{rule:?}");
    }
}
