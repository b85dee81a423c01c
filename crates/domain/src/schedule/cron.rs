//! Cron expressions, as Debian's cron means them.
//!
//! An expression is two independent sets: dates and times of day. Both are bit sets, so that the next date and the next time are found by
//! arithmetic and never by trying minute after minute. What the zone's clock does on the way is [`super::line`]'s.

mod days;
mod error;
mod parse;

use std::{fmt, str::FromStr};

use chrono::{DateTime, NaiveDate, Utc};

pub(super) use self::days::{Days, LAST, bits};
pub use self::error::{CronError, CronField, CronProblem};
use super::{
    line,
    zone::{DAY_S, Zone, date_of, midnight},
};

/// Maximum length of an expression, in characters.
pub const MAX_CRON: usize = 1000;

/// A cron expression that fires at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    pub(super) text: String,
    pub(super) second: u64,
    pub(super) minute: u64,
    pub(super) hour: u64,
    pub(super) days: Days,
    /// Whether it follows elapsed time instead of fixed local times: the field of seconds, minutes or hours begins with `*`.
    pub(super) interval: bool,
}

impl Cron {
    /// Reads an expression of five fields (minute, hour, day of the month, month, day of the week) or six (seconds first), or a name such as
    /// `@daily`.
    ///
    /// # Errors
    /// The first fault, with its field and position; also for an expression that never fires.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        parse::expression(text)
    }

    /// The expression, with single spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first fire strictly after `after`, on the clock of `zone`.
    #[must_use]
    pub fn next(&self, zone: &Zone, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = |from| self.next_local(from, |date| self.next_date(date));
        let span = (after.timestamp(), i64::MAX);
        let found = if self.interval { line::interval(zone, span, next, |_| Ok(())) } else { line::fixed(zone, span, next, |_| Ok(())) };
        DateTime::from_timestamp(found?.at, 0)
    }

    /// The first local time, not before `from`, that has a matching time of day and a date of `next_date`.
    pub(super) fn next_local(&self, from: i64, next_date: impl Fn(NaiveDate) -> Option<NaiveDate>) -> Option<i64> {
        let today = date_of(from)?;
        let mut date = next_date(today)?;
        if date == today {
            if let Some(time) = self.next_time(from.rem_euclid(DAY_S)) {
                return Some(midnight(date) + time);
            }
            date = next_date(today.succ_opt()?)?;
        }
        Some(midnight(date) + self.first_time())
    }

    /// The first matching date, not before `from`.
    pub(super) fn next_date(&self, from: NaiveDate) -> Option<NaiveDate> {
        self.days.next(from)
    }

    /// The first matching second of a day, not before `from`.
    pub(super) fn next_time(&self, from: i64) -> Option<i64> {
        let (hour, minute, second) = (from / 3600, from / 60 % 60, from % 60);
        if next_bit(self.hour, hour) != Some(hour) {
            return Some(next_bit(self.hour, hour + 1)? * 3600 + self.first_of_hour());
        }
        if next_bit(self.minute, minute) == Some(minute)
            && let Some(second) = next_bit(self.second, second)
        {
            return Some(hour * 3600 + minute * 60 + second);
        }
        match next_bit(self.minute, minute + 1) {
            Some(minute) => Some(hour * 3600 + minute * 60 + first_bit(self.second)),
            None => Some(next_bit(self.hour, hour + 1)? * 3600 + self.first_of_hour()),
        }
    }

    /// The first matching second of a day.
    pub(super) fn first_time(&self) -> i64 {
        first_bit(self.hour) * 3600 + self.first_of_hour()
    }

    fn first_of_hour(&self) -> i64 {
        first_bit(self.minute) * 60 + first_bit(self.second)
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        Self::parse(text)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn next_bit(bits: u64, from: i64) -> Option<i64> {
    let rest = if (0..64).contains(&from) { bits & (u64::MAX << from) } else { 0 };
    (rest != 0).then(|| rest.trailing_zeros().into())
}

fn first_bit(bits: u64) -> i64 {
    bits.trailing_zeros().into()
}

#[cfg(test)]
mod tests;
