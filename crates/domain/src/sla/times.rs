//! Whose clock is meant, which days count, and when nothing is expected.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike as _, Utc};

use crate::{
    calendar::{BlackoutSpan, Calendar},
    schedule::Zone,
};

/// How many days are looked at for one that counts.
const MAX_DAYS: usize = 366 * 2;

/// A rule's zone and calendar.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// Whose clock is meant.
    pub zone: Zone,
    /// Which days and hours count; `None`: all.
    pub calendar: Option<Arc<Calendar>>,
}

impl Times {
    /// Whether a day counts.
    fn counts(&self, date: NaiveDate) -> bool {
        self.calendar.as_ref().is_none_or(|calendar| calendar.is_business_day(date))
    }

    /// The instant of a time of a day, where the day counts and no blackout covers it.
    fn deadline(&self, date: NaiveDate, time: NaiveTime) -> Option<DateTime<Utc>> {
        let at = self.counts(date).then(|| self.zone.instant(date.and_time(time))).flatten()?;
        self.blackout_end(at).is_none().then_some(at)
    }

    /// The last deadline not after `at`, at this time of day.
    pub(super) fn deadline_to(&self, at: DateTime<Utc>, time: NaiveTime) -> Option<DateTime<Utc>> {
        // One day later, as its time may be earlier in UTC than the clock shows.
        let first = self.zone.local(at).date().succ_opt()?;
        first.iter_days().rev().take(MAX_DAYS).find_map(|date| self.deadline(date, time).filter(|deadline| *deadline <= at))
    }

    /// The first deadline after `at`, at this time of day.
    pub(super) fn deadline_after(&self, at: DateTime<Utc>, time: NaiveTime) -> Option<DateTime<Utc>> {
        let first = self.zone.local(at).date().pred_opt()?;
        first.iter_days().take(MAX_DAYS).find_map(|date| self.deadline(date, time).filter(|deadline| *deadline > at))
    }

    /// When the blackouts that cover `at` end.
    pub(super) fn blackout_end(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let calendar = self.calendar.as_ref()?;
        DateTime::from_timestamp(calendar.blackout_end(&self.zone, at.timestamp())?, 0)
    }

    /// From when on something is expected again; `None`: it is at `at`. [`DateTime::MAX_UTC`]: never.
    pub(super) fn closed_until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut until = at;
        // A blackout may end in the night, and the morning be in another.
        for _ in 0..MAX_DAYS {
            let next = self.blackout_end(until).or_else(|| self.out_of_hours_until(until));
            match next {
                Some(next) if next > until => until = next,
                _ => return (until > at).then_some(until),
            }
        }
        Some(DateTime::<Utc>::MAX_UTC)
    }

    /// When the next working hours begin, out of them.
    fn out_of_hours_until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let calendar = self.calendar.as_ref()?;
        let local = self.zone.local(at);
        let second = i64::from(local.num_seconds_from_midnight());
        let today = calendar.hours(local.date());
        if today.ranges().iter().any(|(from, to)| (*from..*to).contains(&second)) {
            return None;
        }
        let later = today.ranges().iter().find(|(from, _)| *from > second).map(|(from, _)| (local.date(), *from));
        let found = later.or_else(|| {
            let date = calendar.business_day_from(local.date().succ_opt()?)?;
            Some((date, calendar.hours(date).ranges().first()?.0))
        });
        let begin = found.and_then(|(date, from)| self.zone.instant(date.and_time(NaiveTime::MIN) + TimeDelta::seconds(from)));
        Some(begin.unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    /// When after `at`, when something is expected, nothing is any more; if that is before `end`.
    pub(super) fn next_closing(&self, at: DateTime<Utc>, end: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let calendar = self.calendar.as_ref()?;
        let blackouts = calendar.blackouts.iter().filter_map(|blackout| match &blackout.span {
            BlackoutSpan::Once { from, .. } => Some(*from).filter(|from| *from > at),
            BlackoutSpan::Recurring { start, .. } => start.next(&self.zone, at),
        });
        blackouts.chain(self.hours_end(calendar, at, end)).min().filter(|closing| *closing < end)
    }

    /// When the working hours that cover `at` end; hours that go on at midnight are one.
    fn hours_end(&self, calendar: &Calendar, at: DateTime<Utc>, before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        const DAY_S: i64 = 86_400;
        let (local, last) = (self.zone.local(at), self.zone.local(before).date());
        let mut second = i64::from(local.num_seconds_from_midnight());
        for date in local.date().iter_days().take_while(|date| *date <= last) {
            let hours = calendar.hours(date);
            let end = hours.ranges().iter().find(|(from, to)| (*from..*to).contains(&second)).map_or(second, |(_, to)| *to);
            if end < DAY_S {
                return self.zone.instant(date.and_time(NaiveTime::MIN) + TimeDelta::seconds(end));
            }
            second = 0;
        }
        None
    }
}
