//! What holds for any schedule, and any time.

use proptest::prelude::*;

use super::*;

const CRONS: [&str; 14] = [
    "* * * * *",
    "*/7 * * * *",
    "30 2 * * *",
    "0 0 * * *",
    "0,30 0-3 * * *",
    "15 */2 * * *",
    "0 9 13 * 5",
    "0 9 */2 * 1",
    "0 12 LW * *",
    "0 0 29 2 *",
    "0 8 1W,L * *",
    "0 7 * * 1#2,5L",
    "*/20 30 1,2 * * *",
    "0 0 1 1 *",
];
const ZONES: [&str; 8] = [
    "UTC",
    "America/Sao_Paulo",
    "America/New_York",
    "Australia/Lord_Howe",
    "Europe/London",
    "Asia/Kolkata",
    "America/St_Johns",
    "Africa/Casablanca",
];

fn schedules() -> impl Strategy<Value = Schedule> {
    let hour = |hour: u32| chrono::NaiveTime::from_hms_opt(hour, 30, 0).unwrap();
    let window = proptest::option::of((0..12_u32, 12..24_u32, any::<bool>()).prop_map(move |(start, end, night)| {
        if night { Window { start: hour(end), end: hour(start) } } else { Window { start: hour(start), end: hour(end) } }
    }));
    let rule = proptest::sample::select(vec![
        None,
        None,
        Some(DayRule::Only),
        Some(DayRule::Except),
        Some(DayRule::Next),
        Some(DayRule::Previous),
        Some(DayRule::Nth(-2)),
    ]);
    let spec = prop_oneof![4 => proptest::sample::select(CRONS.to_vec()).prop_map(Some), 1 => Just(None)];
    (spec, proptest::sample::select(ZONES.to_vec()), window, rule).prop_map(|(spec, zone_name, window, rule)| {
        let schedule = match spec {
            Some(text) => cron(text, zone_name),
            None => interval(5_400, "2015-01-01T00:10:00Z"),
        };
        let rule = rule.filter(|rule| spec.is_some() || !rule.moves());
        let schedule = Schedule { window, ..schedule };
        match rule {
            Some(rule) => with_calendar(schedule, bank(), rule),
            None => schedule,
        }
    })
}

/// Times in which nothing starts: one that is once, and some that come again, of which those in a row are one.
fn blackouts() -> impl Strategy<Value = Vec<Blackout>> {
    let once = (1_420_000_000_i64..1_900_000_000, 1_i64..2_000_000)
        .prop_map(|(from, seconds)| BlackoutSpan::Once { from: instant(from), to: instant(from + seconds) });
    let recurring = (proptest::sample::select(vec!["0 22 * * *", "30 1 * * SUN", "0 0 L * *", "*/50 8-17 * * *"]), 1_u32..900)
        .prop_map(|(start, minutes)| BlackoutSpan::Recurring { start: Cron::parse(start).unwrap(), minutes });
    let blackout = prop_oneof![once, recurring].prop_map(|span| Blackout { name: String::new(), span });
    proptest::collection::vec(blackout, 1..4)
}

/// Schedules with jitter and with blackouts, which skip fires or hold them.
fn delayed() -> impl Strategy<Value = Schedule> {
    let on_blackout = proptest::sample::select(OnBlackout::ALL.to_vec());
    (schedules(), 0_i64..3600, blackouts(), on_blackout).prop_map(|(schedule, jitter_s, blackouts, on_blackout)| {
        let CalendarUse { calendar, rule, .. } = schedule.calendar.clone().unwrap_or_else(|| {
            let week = std::array::from_fn(|_| crate::calendar::Hours::all());
            let calendar = Arc::new(Calendar { week, ..Calendar::weekdays("every day") });
            CalendarUse { calendar, rule: DayRule::Only, on_blackout }
        });
        let calendar = Calendar { blackouts, ..(*calendar).clone() };
        Schedule { jitter_s, calendar: Some(CalendarUse { calendar: Arc::new(calendar), rule, on_blackout }), ..schedule }
    })
}

fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// The spans of a schedule's blackouts that may cover an instant from `a` to `c`, told from the definition: begin, and the second after the end.
fn spans(schedule: &Schedule, a: i64, c: i64) -> Vec<(i64, i64)> {
    let blackouts = &schedule.calendar.as_ref().unwrap().calendar.blackouts;
    let of = |blackout: &Blackout| match &blackout.span {
        BlackoutSpan::Once { from, to } => vec![(from.timestamp(), to.timestamp())],
        BlackoutSpan::Recurring { start, minutes } => {
            let begins = Schedule::new(schedule.id, Spec::Cron(start.clone()), schedule.zone.clone());
            let begins = begins.slots_between(instant(a - 40 * 86_400), instant(c)).map(|slot| slot.at.timestamp());
            begins.map(|begin| (begin, begin + i64::from(*minutes) * 60)).collect()
        }
    };
    blackouts.iter().flat_map(of).collect()
}

/// Whether a local time is one of the schedule's, told from the definition and not by a search.
fn is_meant(schedule: &Schedule, local: chrono::NaiveDateTime) -> bool {
    let Spec::Cron(cron) = &schedule.spec else { return true };
    let second = i64::from(chrono::Timelike::num_seconds_from_midnight(&local));
    cron.next_time(second) == Some(second) && cron.next_date(local.date()) == Some(local.date())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn slots_ascend_and_adjoining_spans_share_none_and_miss_none(
        schedule in schedules(), begin in 1_420_000_000_i64..1_900_000_000, first in 0_i64..4_000_000, second in 0_i64..4_000_000,
    ) {
        let (a, b, c) = (instant(begin), instant(begin + first), instant(begin + first + second));
        let between = |from, to| schedule.slots_between(from, to).map(|slot| slot.at).collect::<Vec<_>>();
        let whole = between(a, c);
        prop_assert!(whole.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(whole.iter().all(|slot| a < *slot && *slot <= c));
        prop_assert_eq!([between(a, b), between(b, c)].concat(), whole.clone());
        for pair in whole.windows(2).take(20) {
            prop_assert_eq!(schedule.next_slot(pair[0]).map(|slot| slot.at), Some(pair[1]));
            prop_assert_eq!(schedule.next_slot(pair[1] - TimeDelta::seconds(1)).map(|slot| slot.at), Some(pair[1]));
        }
    }

    #[test]
    fn adjoining_spans_add_up_with_calendar_window_jitter_and_blackouts(
        schedule in delayed(), begin in 1_420_000_000_i64..1_900_000_000, first in 0_i64..4_000_000, second in 0_i64..4_000_000,
    ) {
        let (a, b, c) = (instant(begin), instant(begin + first), instant(begin + first + second));
        let between = |from, to| schedule.slots_between(from, to).collect::<Vec<_>>();
        let whole = between(a, c);
        prop_assert!(whole.windows(2).all(|pair| pair[0].at < pair[1].at));
        prop_assert_eq!([between(a, b), between(b, c)].concat(), whole.clone());
        for pair in whole.windows(2).take(20) {
            prop_assert_eq!(schedule.next_slot(pair[0].at), Some(pair[1]));
        }
    }

    #[test]
    fn no_blackout_lets_a_fire_through_and_none_takes_another_away(
        schedule in delayed(), begin in 1_420_000_000_i64..1_900_000_000, length in 0_i64..600_000,
    ) {
        let (a, c) = (begin, begin + length);
        let without = {
            let used = schedule.calendar.clone().unwrap();
            let calendar = Calendar { blackouts: Vec::new(), ..(*used.calendar).clone() };
            Schedule { calendar: Some(CalendarUse { calendar: Arc::new(calendar), ..used }), ..schedule.clone() }
        };
        // As far as the last slot is looked at below.
        let known = c + 700_000;
        let spans = spans(&schedule, a, known);
        let is_in = |at: DateTime<Utc>| spans.iter().any(|(from, to)| (*from..*to).contains(&at.timestamp()));
        let slots: Vec<_> = schedule.slots_between(instant(a), instant(c)).collect();
        let all: Vec<_> = without.slots_between(instant(a), instant(c)).collect();
        if schedule.calendar.as_ref().unwrap().on_blackout == OnBlackout::Skip {
            // Neither a slot nor the start after its jitter.
            let free: Vec<_> = all.into_iter().filter(|slot| !is_in(slot.at) && !is_in(slot.run_at)).collect();
            prop_assert_eq!(slots, free);
            return Ok(());
        }
        prop_assert_eq!(slots.len(), all.len());
        for (slot, free) in slots.iter().zip(all) {
            prop_assert_eq!((slot.at, slot.held), (free.at, is_in(free.run_at)));
            // Held until the first instant that no blackout covers.
            if slot.run_at.timestamp() < known {
                prop_assert!(!is_in(slot.run_at), "{slot:?}");
            }
            let before = free.run_at.timestamp()..slot.run_at.timestamp();
            prop_assert!(before.step_by(59).take(10_000).all(|at| is_in(instant(at))), "{slot:?}");
        }
    }

    #[test]
    fn no_slot_is_skipped_and_none_is_added(
        text in proptest::sample::select(CRONS.to_vec()), zone_name in proptest::sample::select(ZONES.to_vec()),
        day in 5_000_i64..25_000,
    ) {
        // Minute after minute of two days, the definition and the search agree.
        let schedule = cron(text, zone_name);
        let Spec::Cron(parsed) = &schedule.spec else { unreachable!() };
        let step = if text.split(' ').count() == 6 { 20 } else { 60 };
        let (from, to) = (day * 86_400, (day + 2) * 86_400);
        let searched: Vec<_> = schedule.slots_between(instant(from), instant(to)).map(|slot| slot.at.timestamp()).collect();
        let mut meant = std::collections::BTreeSet::new();
        // Local times of three days, because a zone is at most a day ahead or behind.
        for local in ((from - 86_400)..=(to + 86_400)).step_by(step) {
            let time = DateTime::from_timestamp(local, 0).unwrap().naive_utc();
            if is_meant(&schedule, time) && !parsed.interval {
                meant.insert(schedule.zone.resolve(local).unwrap().start());
            }
        }
        for at in (from..=to).step_by(step).filter(|_| parsed.interval) {
            if is_meant(&schedule, schedule.zone.local(instant(at))) {
                meant.insert(at);
            }
        }
        let meant: Vec<_> = meant.into_iter().filter(|at| from < *at && *at <= to).collect();
        prop_assert_eq!(searched, meant);
    }

    #[test]
    fn decisions_run_every_slot_once_whenever_they_are_made(
        schedule in schedules(), begin in 1_420_000_000_i64..1_900_000_000, steps in proptest::collection::vec(-3_000_i64..40_000, 1..20),
    ) {
        let schedule = Schedule { misfire: Misfire { policy: MisfirePolicy::All, limit: 1000, grace_s: 0 }, ..schedule };
        let (start, mut now) = (instant(begin), begin);
        let (mut cursor, mut ran, mut latest) = (start, Vec::new(), start);
        for step in steps {
            now += step;
            let decision = schedule.decide(cursor, &[], instant(now));
            ran.extend(decision.runs.iter().map(|slot| slot.at));
            prop_assert!(decision.skipped.is_empty());
            cursor = decision.cursor;
            latest = latest.max(instant(now));
        }
        let expected: Vec<_> = schedule.slots_between(start, latest).map(|slot| slot.at).collect();
        prop_assert_eq!(ran, expected);
    }
}
