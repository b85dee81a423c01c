//! Schedules beside the load. They are due every few seconds until the run ends, and what each is due at is computed here by the rules of
//! `domain`, not read from a hub.

use std::time::Duration;

use anyhow::{Context as _, Result};
use api_types::{CalendarBlackout, CalendarCreate, CalendarWeek, ScheduleUpdate};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use client::Client;
use domain::{
    calendar::{Blackout, BlackoutSpan, Calendar, DayRule, Hours, OnBlackout},
    ids::{CalendarId, ScheduleId},
    schedule::{CalendarUse, Cron, Misfire, MisfirePolicy, Schedule, Spec, Window, Zone, Zones},
};

use crate::{robots, shapes::Shape};

const ZONE: &str = "America/Sao_Paulo";
/// More than are ever missed at once, and the most that is allowed.
const LIMIT: u32 = 1_000;
/// The longest grace: nothing is missed.
const GRACE_S: i64 = 604_800;
/// What the retimed schedule is changed to, and back.
const RETIMED: [&str; 2] = ["*/4 * * * * *", "*/6 * * * * *"];

/// What the operator does to a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// Nothing.
    Leave,
    /// It is paused and resumed. Under `all` its slots run nevertheless, under `skip` those of a pause do not.
    Pause,
    /// Its priority is changed, which keeps what is due.
    Edit,
    /// Its times are changed, which drops what is due and not decided.
    Retime,
}

/// When a schedule is due.
#[derive(Clone, Copy)]
enum When {
    Cron(&'static str),
    EveryS(i64),
}

/// A kind of schedule.
struct Kind {
    name: &'static str,
    when: When,
    jitter_s: i64,
    /// Its window closes for a while.
    closes: bool,
    /// A calendar's blackout comes, and does this.
    blackout: Option<OnBlackout>,
    policy: MisfirePolicy,
    grace_s: i64,
    treatment: Treatment,
}

const PLAIN: Kind = Kind {
    name: "each second",
    when: When::Cron("* * * * * *"),
    jitter_s: 0,
    closes: false,
    blackout: None,
    policy: MisfirePolicy::All,
    grace_s: 0,
    treatment: Treatment::Leave,
};
const KINDS: [Kind; 10] = [
    PLAIN,
    Kind { name: "interval", when: When::EveryS(3), grace_s: GRACE_S, ..PLAIN },
    Kind { name: "jitter", when: When::Cron("*/5 * * * * *"), jitter_s: 4, ..PLAIN },
    Kind { name: "window", when: When::Cron("*/3 * * * * *"), closes: true, ..PLAIN },
    Kind { name: "blackout skips", when: When::EveryS(5), blackout: Some(OnBlackout::Skip), ..PLAIN },
    Kind { name: "blackout holds", when: When::Cron("*/5 * * * * *"), blackout: Some(OnBlackout::Hold), ..PLAIN },
    Kind { name: "paused", when: When::Cron("*/4 * * * * *"), treatment: Treatment::Pause, ..PLAIN },
    Kind {
        name: "paused, skips",
        when: When::Cron("*/3 * * * * *"),
        policy: MisfirePolicy::Skip,
        grace_s: GRACE_S,
        treatment: Treatment::Pause,
        ..PLAIN
    },
    Kind { name: "edited", when: When::Cron("*/5 * * * * *"), treatment: Treatment::Edit, ..PLAIN },
    Kind { name: "retimed", when: When::Cron(RETIMED[0]), treatment: Treatment::Retime, ..PLAIN },
];

/// A schedule of the run.
#[derive(Clone, Debug)]
pub(crate) struct Timetable {
    pub(crate) name: &'static str,
    pub(crate) treatment: Treatment,
    /// What it means; its end is that of the run.
    pub(crate) rule: Schedule,
    /// Its expression, and what the operator changes it to.
    pub(crate) expressions: Vec<&'static str>,
}

impl Timetable {
    pub(crate) fn id(&self) -> ScheduleId {
        self.rule.id
    }

    /// Whether a pause takes its slots away.
    pub(crate) fn skips(&self) -> bool {
        self.rule.misfire.policy == MisfirePolicy::Skip
    }

    /// The slots, in seconds of UTC, after `since` and before the end. `expression`: with this one instead of its own.
    ///
    /// # Errors
    /// When that is no expression.
    pub(crate) fn slots(&self, since: i64, expression: Option<&str>) -> Result<Vec<i64>> {
        let spec = expression.map(|text| Cron::parse(text).map(Spec::Cron)).transpose()?;
        let rule = Schedule { spec: spec.unwrap_or_else(|| self.rule.spec.clone()), ..self.rule.clone() };
        let since = DateTime::from_timestamp(since, 0).context("a time")?;
        let end = rule.end_at.context("a schedule without an end")?;
        Ok(rule.slots_between(since, end).map(|slot| slot.at.timestamp()).collect())
    }
}

/// The times of a run.
struct Times {
    zone: Zone,
    from: DateTime<Utc>,
    length: Duration,
}

impl Times {
    /// The whole second after so many hundredths of the run.
    fn at(&self, share: u64) -> DateTime<Utc> {
        let seconds = self.length.as_secs() * share / 100;
        self.from + TimeDelta::seconds(seconds.cast_signed())
    }

    /// All day, less the middle of the run.
    fn window(&self) -> Window {
        let time = |share| self.zone.local(self.at(share)).time();
        Window { start: time(60), end: time(40) }
    }

    fn blackout(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        (self.at(30), self.at(50))
    }
}

/// Creates schedules that are due from now on for `length`, with the jobs of these kinds.
pub(crate) async fn create(client: &Client, shapes: &[Shape], books: &std::path::Path, length: Duration) -> Result<Vec<Timetable>> {
    let times = Times { zone: Zones::bundled().get(ZONE)?, from: Utc::now().duration_trunc(TimeDelta::seconds(1))?, length };
    let automations: Vec<i32> = shapes.iter().filter(|shape| shape.is_scheduled()).map(|shape| shape.automation).collect();
    let calendar = calendar(client, &times).await.context("calendar")?;
    let mut timetables = Vec::new();
    for (kind, automation) in KINDS.iter().zip(automations.iter().cycle()) {
        let mut request = kind.request(&times, calendar.0);
        request.automation_id = Some((*automation).into());
        request.parameters = Some(robots::parameters(books, 0, 0));
        let id = client.schedule_create(&request).await.with_context(|| kind.name)?.id;
        let rule = kind.rule(id, &times, &calendar.1).with_context(|| kind.name)?;
        let expressions = match (kind.when, kind.treatment) {
            (_, Treatment::Retime) => RETIMED.into(),
            (When::Cron(expression), _) => vec![expression],
            (When::EveryS(_), _) => Vec::new(),
        };
        timetables.push(Timetable { name: kind.name, treatment: kind.treatment, rule, expressions });
    }
    Ok(timetables)
}

/// A calendar on which nothing but a blackout is special.
async fn calendar(client: &Client, times: &Times) -> Result<(CalendarId, Calendar)> {
    let (from, to) = times.blackout();
    let whole_day = || vec!["00:00-24:00".to_owned()];
    let blackout = CalendarBlackout { from: Some(from), to: Some(to), ..CalendarBlackout::default() };
    let request = CalendarCreate {
        name: "chaos".to_owned(),
        week: Some(CalendarWeek::of(std::array::from_fn(|_| whole_day()))),
        blackouts: vec![blackout],
        ..CalendarCreate::default()
    };
    let id = client.calendar_create(&request).await?.id;
    let blackout = Blackout { name: String::new(), span: BlackoutSpan::Once { from, to } };
    let week = std::array::from_fn(|_| Hours::all());
    Ok((id, Calendar { week, blackouts: vec![blackout], ..Calendar::weekdays("chaos") }))
}

impl Kind {
    fn request(&self, times: &Times, calendar: CalendarId) -> ScheduleUpdate {
        let window = self.closes.then(|| times.window());
        let text = |time: Option<chrono::NaiveTime>| time.map(|time| Some(time.format("%H:%M:%S").to_string()));
        ScheduleUpdate {
            name: Some(self.name.to_owned()),
            cron_expression: if let When::Cron(expression) = self.when { Some(Some(expression.to_owned())) } else { None },
            interval_s: if let When::EveryS(seconds) = self.when { Some(Some(seconds)) } else { None },
            timezone: Some(ZONE.to_owned()),
            calendar_id: self.blackout.map(|_| Some(calendar)),
            on_blackout: self.blackout,
            window_start: text(window.map(|window| window.start)),
            window_end: text(window.map(|window| window.end)),
            jitter_s: Some(self.jitter_s),
            start_at: Some(Some(times.from)),
            end_at: Some(Some(times.at(100))),
            misfire_policy: Some(self.policy),
            misfire_limit: Some(LIMIT),
            misfire_grace_s: Some(self.grace_s),
            ..ScheduleUpdate::default()
        }
    }

    /// The same for the rules.
    fn rule(&self, id: ScheduleId, times: &Times, calendar: &Calendar) -> Result<Schedule> {
        let spec = match self.when {
            When::Cron(expression) => Spec::Cron(Cron::parse(expression)?),
            When::EveryS(seconds) => Spec::Interval { seconds, anchor: times.from },
        };
        let used = |on_blackout| CalendarUse { calendar: calendar.clone().into(), rule: DayRule::default(), on_blackout };
        Ok(Schedule {
            calendar: self.blackout.map(used),
            window: self.closes.then(|| times.window()),
            jitter_s: self.jitter_s,
            start_at: Some(times.from),
            end_at: Some(times.at(100)),
            misfire: Misfire { policy: self.policy, limit: LIMIT, grace_s: self.grace_s },
            ..Schedule::new(id, spec, times.zone.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn timetable(name: &str) -> Timetable {
        let kind = KINDS.iter().find(|kind| kind.name == name).unwrap();
        let from = "2026-11-27T02:59:00Z".parse().unwrap();
        let times = Times { zone: Zones::bundled().get(ZONE).unwrap(), from, length: Duration::from_secs(100) };
        let (from, to) = times.blackout();
        let blackout = Blackout { name: String::new(), span: BlackoutSpan::Once { from, to } };
        let calendar = Calendar { week: std::array::from_fn(|_| Hours::all()), blackouts: vec![blackout], ..Calendar::weekdays("chaos") };
        let rule = kind.rule(ScheduleId::new(Uuid::from_u128(1)), &times, &calendar).unwrap();
        Timetable { name: kind.name, treatment: kind.treatment, rule, expressions: Vec::new() }
    }

    /// Seconds after the start at which it is due.
    fn due(name: &str) -> Vec<i64> {
        let timetable = timetable(name);
        let since = timetable.rule.start_at.unwrap().timestamp();
        timetable.slots(since, None).unwrap().into_iter().map(|slot| slot - since).collect()
    }

    #[test]
    fn a_schedule_is_due_until_the_run_ends() {
        assert_eq!(due("each second"), (1..100).collect::<Vec<_>>());
        assert_eq!(due("interval"), (3..100).step_by(3).collect::<Vec<_>>());
        assert_eq!(due("blackout holds"), (5..100).step_by(5).collect::<Vec<_>>());
    }

    #[test]
    fn a_window_and_a_blackout_take_the_middle_away_also_around_midnight() {
        assert_eq!(due("window"), (3..40).step_by(3).chain((60..100).step_by(3)).collect::<Vec<_>>());
        assert_eq!(due("blackout skips"), (5..30).step_by(5).chain((50..100).step_by(5)).collect::<Vec<_>>());
    }

    #[test]
    fn another_expression_is_due_at_other_times() {
        let retimed = timetable("retimed");
        let since = retimed.rule.start_at.unwrap().timestamp();
        let slots = |expression| retimed.slots(since, Some(expression)).unwrap().len();
        assert_eq!(RETIMED.map(slots), [24, 16]);
        assert!(retimed.slots(since, Some("no")).is_err());
    }
}
