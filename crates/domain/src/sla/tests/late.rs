use chrono::{NaiveTime, TimeDelta};

use super::*;
use crate::{
    alert::{AlertType, Key, Observation, Seen, Subject},
    calendar::{Blackout, BlackoutSpan, HolidaySet},
    schedule::Cron,
    sla::{Deadline, Hold, Known, LateFacts, Standing, settle},
};

/// A run that succeeded: when it was created, when it ended, and whether a schedule started it.
#[derive(Clone, Copy)]
struct Success(&'static str, &'static str, bool);

/// A subject that is judged when it is due, and what was told of it.
struct World {
    rule: Rule,
    times: Times,
    since: DateTime<Utc>,
    runs: Vec<Success>,
    /// From when until when it is paused, and whether its end is known.
    pauses: Vec<(&'static str, &'static str, bool)>,
    known: Option<Known>,
    now: DateTime<Utc>,
    told: Vec<(String, String)>,
}

impl World {
    fn new(expect: Expectations, calendar: Option<Calendar>, since: &str) -> Self {
        let (rule, times, since) = (rule(expect), times(calendar), at(since));
        Self { rule, times, since, runs: Vec::new(), pauses: Vec::new(), known: None, now: since, told: Vec::new() }
    }

    /// What the database says of the deadline.
    fn facts(&self, deadline: Deadline) -> LateFacts {
        let ended = |run: &&Success| at(run.1) <= self.now;
        let counts = |run: &&Success| match deadline {
            Deadline::Daily { previous, early, .. } => {
                if run.2 {
                    at(run.0) > previous && at(run.1) > previous
                } else {
                    at(run.1) >= early
                }
            }
            Deadline::Interval { .. } | Deadline::Ahead => true,
        };
        let last = |runs: &mut dyn Iterator<Item = &Success>| runs.map(|run| at(run.1)).max();
        let pause = self.pauses.iter().find(|(from, until, _)| at(from) <= self.now && self.now < at(until));
        LateFacts {
            hold: pause.map_or(Hold::None, |(_, until, is_known)| Hold::Paused(is_known.then(|| at(until)))),
            success_at: last(&mut self.runs.iter().filter(ended).filter(counts)),
            last_success_at: last(&mut self.runs.iter().filter(ended)),
        }
    }

    fn judge(&mut self) -> Option<DateTime<Utc>> {
        let look = Look { rule: &self.rule, times: &self.times, since: self.since, now: self.now };
        let known = self.known.take();
        let verdict = look.late(known.as_ref(), &self.facts(look.deadline(known.as_ref())));
        let key = Key { rule_id: None, alert_type: AlertType::Late, subject: Subject::Automation(7.into()) };
        let (observation, next) = settle(&self.rule, (&key, None), known.as_ref(), verdict, self.now);
        if let Some(Observation { seen, at, .. }) = observation {
            let what = if matches!(seen, Seen::Fine) { "fine" } else { "late" };
            let at = if matches!(seen, Seen::Fine) { self.now } else { at };
            assert!(at <= self.now, "{at} is not over at {}", self.now);
            self.told.push((what.to_owned(), format!("{}", self.now.format("%m-%dT%H:%M"))));
        }
        self.known = Some(next);
        self.known.as_ref().unwrap().due_at
    }

    /// Lives until then as a loop does: it judges when it is due, when a run ends, and when a pause begins or ends.
    fn until(mut self, end: &str) -> Self {
        let end = at(end);
        let mut due = self.judge();
        loop {
            let events = self.runs.iter().map(|run| at(run.1));
            let events: Vec<_> = events.chain(self.pauses.iter().flat_map(|pause| [at(pause.0), at(pause.1)])).collect();
            let next = events.into_iter().filter(|event| *event > self.now).chain(due).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            assert!(next > self.now, "it is due again at once, at {next}");
            self.now = next;
            due = self.judge();
        }
        self.now = end;
        self
    }

    #[track_caller]
    fn told(&self, expected: &[(&str, &str)]) {
        let told: Vec<_> = self.told.iter().map(|(what, at)| (what.as_str(), at.as_str())).collect();
        assert_eq!(told, expected);
    }
}

fn daily(time: &str, grace: i64) -> Expectations {
    Expectations {
        expected_daily_time: Some(NaiveTime::parse_from_str(time, "%H:%M").unwrap()),
        late_after_minutes: grace,
        ..Expectations::default()
    }
}

fn every(minutes: i64) -> Expectations {
    Expectations { expected_run_every_minutes: Some(minutes), ..Expectations::default() }
}

/// 10:00 in São Paulo is 13:00 UTC.
#[test]
fn an_early_run_is_not_the_due_run() {
    let mut world = World::new(daily("10:00", 60), None, "2026-11-26T12:00:00Z");
    world.runs = vec![
        Success("2026-11-26T12:10:00Z", "2026-11-26T12:50:00Z", false),
        Success("2026-11-27T09:00:00Z", "2026-11-27T09:04:00Z", false),
        Success("2026-11-27T14:10:00Z", "2026-11-27T14:20:00Z", false),
    ];
    world.until("2026-11-27T23:00:00Z").told(&[("late", "11-27T14:00"), ("fine", "11-27T14:20")]);
}

#[test]
fn it_is_late_once_however_often_it_is_judged() {
    let mut world = World::new(daily("10:00", 60), None, "2026-11-26T14:30:00Z").until("2026-11-27T14:00:00Z");
    for second in 0..600 {
        world.now = at("2026-11-27T14:00:00Z") + TimeDelta::seconds(second * 24);
        let _due = world.judge();
    }
    world.told(&[("late", "11-27T14:00")]);
}

#[test]
fn what_counts_as_the_due_run_of_a_day() {
    let day = |created, ended, by_schedule| {
        let mut world = World::new(daily("10:00", 0), None, "2026-11-26T12:59:00Z");
        world.runs = vec![Success("2026-11-26T12:00:00Z", "2026-11-26T12:59:30Z", false), Success(created, ended, by_schedule)];
        world.until("2026-11-27T13:00:00Z").told.len()
    };
    for (created, ended, by_schedule, late, why) in [
        ("2026-11-27T09:59:00Z", "2026-11-27T09:59:59Z", false, 1, "by hand more than three hours before"),
        ("2026-11-27T09:59:00Z", "2026-11-27T10:00:00Z", false, 0, "by hand three hours before"),
        ("2026-11-26T13:00:01Z", "2026-11-26T13:20:00Z", true, 0, "a schedule's, at any time after the deadline before"),
        ("2026-11-26T12:30:00Z", "2026-11-26T18:00:00Z", true, 1, "a schedule's that was late for the deadline before"),
        ("2026-11-27T12:30:00Z", "2026-11-27T13:00:00Z", true, 0, "at the deadline"),
    ] {
        assert_eq!(day(created, ended, by_schedule), late, "{why}");
    }
}

#[test]
fn a_second_deadline_that_is_missed_is_told_too() {
    let mut world = World::new(daily("10:00", 0), None, "2026-11-26T14:00:00Z");
    world.runs = vec![Success("2026-11-29T09:00:00Z", "2026-11-29T09:30:00Z", false)];
    let world = world.until("2026-11-29T12:00:00Z");
    world.told(&[("late", "11-27T13:00"), ("late", "11-28T13:00"), ("fine", "11-29T09:30")]);
}

#[test]
fn the_grace_of_the_next_deadline_ends_no_incident() {
    let day = |ended| {
        let mut world = World::new(daily("10:00", 60), None, "2026-11-26T14:30:00Z");
        world.runs = vec![Success(ended, ended, false)];
        world.until("2026-11-28T20:00:00Z")
    };
    day("2026-11-28T15:00:00Z").told(&[("late", "11-27T14:00"), ("late", "11-28T14:00"), ("fine", "11-28T15:00")]);
    day("2026-11-28T13:30:00Z").told(&[("late", "11-27T14:00"), ("fine", "11-28T13:30")]);
    day("2026-11-27T20:00:00Z").told(&[("late", "11-27T14:00"), ("fine", "11-27T20:00"), ("late", "11-28T14:00")]);
}

#[test]
fn holidays_weekends_and_blackouts_have_no_deadline() {
    // 2026-11-20 is a Friday and a holiday.
    let calendar = Calendar::with_holidays("br", [HolidaySet::Br]);
    World::new(daily("10:00", 0), Some(calendar.clone()), "2026-11-19T14:00:00Z")
        .until("2026-11-23T14:00:00Z")
        .told(&[("late", "11-23T13:00")]);
    let span = BlackoutSpan::Once { from: at("2026-11-23T12:30:00Z"), to: at("2026-11-23T13:00:01Z") };
    let maintained = Calendar { blackouts: vec![Blackout { name: "patches".to_owned(), span }], ..calendar };
    World::new(daily("10:00", 0), Some(maintained), "2026-11-19T14:00:00Z").until("2026-11-24T14:00:00Z").told(&[("late", "11-24T13:00")]);
}

#[test]
fn nothing_is_late_while_it_is_paused_on_purpose() {
    // The resumption at 13:05 comes after the deadline, of the next day before it.
    for is_known in [true, false] {
        let mut world = World::new(daily("10:00", 60), None, "2026-11-26T14:00:00Z");
        world.pauses =
            vec![("2026-11-27T12:00:00Z", "2026-11-27T13:05:00Z", is_known), ("2026-11-28T12:00:00Z", "2026-11-28T12:30:00Z", is_known)];
        world.until("2026-11-28T20:00:00Z").told(&[("late", "11-28T14:00")]);
    }
    // What is late stays so, and is told once.
    let mut world = World::new(daily("10:00", 0), None, "2026-11-26T14:00:00Z");
    world.pauses = vec![("2026-11-27T15:00:00Z", "2026-11-27T16:00:00Z", false)];
    world.until("2026-11-27T20:00:00Z").told(&[("late", "11-27T13:00")]);
}

#[test]
fn an_interval_counts_from_the_last_success_the_rule_and_the_end_of_a_pause() {
    let mut world = World::new(every(60), None, "2026-11-27T10:00:00Z");
    world.runs =
        vec![Success("2026-11-27T10:20:00Z", "2026-11-27T10:30:00Z", false), Success("2026-11-27T12:00:00Z", "2026-11-27T12:01:00Z", true)];
    world.until("2026-11-27T12:30:00Z").told(&[("late", "11-27T11:30"), ("fine", "11-27T12:01")]);
    World::new(every(60), None, "2026-11-27T10:00:00Z").until("2026-11-27T12:30:00Z").told(&[("late", "11-27T11:00")]);
    for is_known in [true, false] {
        let mut world = World::new(every(60), None, "2026-11-27T10:00:00Z");
        world.pauses = vec![("2026-11-27T10:30:00Z", "2026-11-27T12:30:00Z", is_known)];
        world.until("2026-11-27T14:00:00Z").told(&[("late", "11-27T13:30")]);
    }
    // A pause does not bring the run that is missing.
    let mut world = World::new(every(60), None, "2026-11-27T10:00:00Z");
    world.pauses = vec![("2026-11-27T11:10:00Z", "2026-11-27T11:20:00Z", true)];
    world.runs = vec![Success("2026-11-27T11:30:00Z", "2026-11-27T11:40:00Z", false)];
    world.until("2026-11-27T12:00:00Z").told(&[("late", "11-27T11:00"), ("fine", "11-27T11:40")]);
}

#[test]
fn an_interval_begins_anew_after_closed_hours_and_blackouts() {
    let hours = crate::calendar::Hours::parse(&["08:00-18:00"]).unwrap();
    let week = std::array::from_fn(|day| if matches!(day, 0 | 6) { crate::calendar::Hours::none() } else { hours.clone() });
    let calendar = Calendar { week, ..Calendar::weekdays("office") };
    // Friday 17:30 local, then Monday 08:00 and one hour.
    let mut world = World::new(every(60), Some(calendar.clone()), "2026-11-27T20:00:00Z");
    world.runs = vec![Success("2026-11-27T20:20:00Z", "2026-11-27T20:30:00Z", false)];
    world.until("2026-11-30T13:00:00Z").told(&[("late", "11-30T12:00")]);
    // Each day from 12:00 to 13:00 local nothing starts.
    let span = BlackoutSpan::Recurring { start: Cron::parse("0 12 * * *").unwrap(), minutes: 60 };
    let calendar = Calendar { blackouts: vec![Blackout { name: "lunch".to_owned(), span }], ..calendar };
    let mut world = World::new(every(60), Some(calendar), "2026-11-30T13:00:00Z");
    world.runs = vec![
        Success("2026-11-30T14:20:00Z", "2026-11-30T14:30:00Z", false),
        Success("2026-11-30T13:20:00Z", "2026-11-30T13:40:00Z", false),
    ];
    world.until("2026-11-30T18:00:00Z").told(&[("late", "11-30T17:00")]);
}

#[test]
fn clock_changes_move_deadlines_with_the_clock() {
    let times = Times { zone: crate::schedule::Zones::bundled().get("America/New_York").unwrap(), calendar: None };
    let in_new_york = |time: &str, since: &str| {
        let mut world = World::new(daily(time, 0), None, since);
        world.times = times.clone();
        world
    };
    // 02:30 does not exist on 2027-03-14: the first instant after the gap.
    in_new_york("02:30", "2027-03-13T12:00:00Z").until("2027-03-15T07:00:00Z").told(&[("late", "03-14T07:00"), ("late", "03-15T06:30")]);
    // 01:30 is there twice on 2027-11-07: the first.
    in_new_york("01:30", "2027-11-06T12:00:00Z").until("2027-11-08T07:00:00Z").told(&[("late", "11-07T05:30"), ("late", "11-08T06:30")]);
}

#[test]
fn a_rule_that_is_new_or_changed_has_no_past() {
    World::new(daily("10:00", 0), None, "2026-11-27T13:00:00Z").until("2026-11-28T12:59:00Z").told(&[]);
    // Changed while it is late: what is missing is still missing, and a run ends it.
    let mut world = World::new(daily("10:00", 0), None, "2026-11-27T12:00:00Z").until("2026-11-27T13:10:00Z");
    world.since = at("2026-11-27T13:10:00Z");
    world.rule.expect.late_after_minutes = 0;
    world.runs = vec![Success("2026-11-27T13:20:00Z", "2026-11-27T13:30:00Z", false)];
    world.until("2026-11-27T14:00:00Z").told(&[("late", "11-27T13:00"), ("fine", "11-27T13:30")]);
}

#[test]
fn after_downtime_only_what_is_so_now_is_told() {
    let mut world = World::new(daily("10:00", 0), None, "2026-11-26T14:00:00Z");
    let _due = world.judge();
    // Down for three days; the run of the last day came.
    world.runs = vec![Success("2026-11-29T13:20:00Z", "2026-11-29T13:30:00Z", true)];
    world.now = at("2026-11-29T15:00:00Z");
    let due = world.judge();
    world.told(&[]);
    assert_eq!(due, Some(at("2026-11-30T13:00:00Z")));
}

#[test]
fn a_state_without_an_incident_is_remembered_and_not_told() {
    let world =
        World::new(Expectations { alert_on_late: false, ..daily("10:00", 0) }, None, "2026-11-26T14:00:00Z").until("2026-11-27T13:30:00Z");
    world.told(&[]);
    assert_eq!(world.known.unwrap().standing, Standing::Breached);
}
