//! When a report is sent by itself, and where.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveTime, Utc};

use super::Period;
use crate::{
    Fault,
    ids::{ChannelId, DomainId},
    notification::channel::Weekday,
    schedule::{Zone, Zones, input},
};

/// Channels of a plan, at most.
pub const MAX_CHANNELS: usize = 20;

/// What people set of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its name; unique.
    pub name: String,
    /// What a report is of: the last period that is over.
    pub period: Period,
    /// The day on which a weekly one is sent; `None` of a daily one.
    pub weekday: Option<Weekday>,
    /// When on that day.
    pub at: NaiveTime,
    /// IANA name of the zone of the time and of the days.
    pub timezone: String,
    /// Only the automations of this domain; `None`: all.
    pub domain_id: Option<DomainId>,
    /// E-mail channels, in whose languages it is written.
    pub channels: Vec<ChannelId>,
    /// Whether it is sent.
    pub enabled: bool,
}

impl Plan {
    /// Every fault of its fields.
    #[must_use]
    pub fn faults(&self, zones: &Zones) -> Vec<Fault> {
        let mut faults: Vec<Fault> = input::name_fault(&self.name).into_iter().collect();
        faults.extend(input::zone(&self.timezone, zones).err());
        match (self.period, self.weekday) {
            (Period::Daily, Some(_)) => faults.push(Fault::new("weekday", "is of a weekly plan; a daily one is sent each day")),
            (Period::Weekly, None) => faults.push(Fault::new("weekday", "is required of a weekly plan")),
            (Period::Daily, None) | (Period::Weekly, Some(_)) => {}
        }
        if !(1..=MAX_CHANNELS).contains(&self.channels.len()) {
            faults.push(Fault::new("channels", format!("must have 1 to {MAX_CHANNELS} channels")));
        }
        for (nth, id) in self.channels.iter().enumerate() {
            if self.channels.iter().take(nth).any(|other| other == id) {
                faults.push(Fault::new(format!("channels/{nth}"), "is in the list twice"));
            }
        }
        faults
    }

    /// When it is sent next after this time. A time that a clock skips is the first instant after it, one that it repeats the first of the two.
    #[must_use]
    pub fn due_after(&self, after: DateTime<Utc>, zone: &Zone) -> Option<DateTime<Utc>> {
        let today = zone.local(after).date();
        let days = (0..=7).filter_map(|days| today.checked_add_days(Days::new(days))).filter(|day| self.is_on(*day));
        days.filter_map(|day| zone.instant(day.and_time(self.at))).find(|at| *at > after)
    }

    fn is_on(&self, day: NaiveDate) -> bool {
        let of = |weekday| {
            [Weekday::Sunday, Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday, Weekday::Saturday]
                .iter()
                .position(|one| *one == weekday)
        };
        self.weekday.is_none_or(|weekday| of(weekday) == usize::try_from(day.weekday().num_days_from_sunday()).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn plan(period: Period, weekday: Option<Weekday>, time: &str, timezone: &str) -> (Plan, Zone) {
        let plan = Plan {
            name: "Mondays".to_owned(),
            period,
            weekday,
            at: time.parse().unwrap(),
            timezone: timezone.to_owned(),
            domain_id: None,
            channels: vec![ChannelId::default()],
            enabled: true,
        };
        let zone = Zones::bundled().get(timezone).unwrap();
        (plan, zone)
    }

    /// The next times after `after`.
    fn next((plan, zone): &(Plan, Zone), after: &str, times: usize) -> Vec<DateTime<Utc>> {
        let mut all = Vec::new();
        let mut after = at(after);
        for _ in 0..times {
            after = plan.due_after(after, zone).unwrap();
            all.push(after);
        }
        all
    }

    #[test]
    fn a_daily_one_is_due_each_day_and_a_weekly_one_on_its_day() {
        let daily = plan(Period::Daily, None, "07:30:00", "America/Sao_Paulo");
        assert_eq!(
            next(&daily, "2026-11-27T10:29:59Z", 3),
            ["2026-11-27T10:30:00Z", "2026-11-28T10:30:00Z", "2026-11-29T10:30:00Z"].map(at)
        );
        assert_eq!(next(&daily, "2026-11-27T10:30:00Z", 1), [at("2026-11-28T10:30:00Z")], "once");
        // 2026-11-27 is a Friday. At 02:00 UTC on Tuesday it is Monday in São Paulo.
        let weekly = plan(Period::Weekly, Some(Weekday::Monday), "23:00:00", "America/Sao_Paulo");
        assert_eq!(next(&weekly, "2026-11-27T12:00:00Z", 2), ["2026-12-01T02:00:00Z", "2026-12-08T02:00:00Z"].map(at));
    }

    #[test]
    fn a_time_that_the_clock_skips_or_repeats_is_once_a_day() {
        let skipped = plan(Period::Daily, None, "02:30:00", "America/New_York");
        assert_eq!(next(&skipped, "2026-03-07T12:00:00Z", 2), ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"].map(at));
        let repeated = plan(Period::Daily, None, "01:30:00", "America/New_York");
        assert_eq!(next(&repeated, "2026-10-31T12:00:00Z", 2), ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"].map(at));
    }

    #[test]
    fn each_fault_is_named() {
        let (good, _) = plan(Period::Daily, None, "07:30:00", "America/Sao_Paulo");
        let zones = Zones::bundled();
        assert_eq!(good.faults(&zones), []);
        let fields = |plan: Plan| plan.faults(&zones).into_iter().map(|fault| fault.field).collect::<Vec<_>>();
        assert_eq!(fields(Plan { name: " ".to_owned(), timezone: "Mars".to_owned(), ..good.clone() }), ["name", "timezone"]);
        assert_eq!(fields(Plan { weekday: Some(Weekday::Monday), channels: Vec::new(), ..good.clone() }), ["weekday", "channels"]);
        assert_eq!(fields(Plan { period: Period::Weekly, channels: vec![ChannelId::default(); 2], ..good }), ["weekday", "channels/1"]);
    }
}
