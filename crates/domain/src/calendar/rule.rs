use chrono::{Datelike, NaiveDate};

use super::Calendar;
use crate::Fault;

/// Upper bound of the n of the n-th business day of a month.
pub const MAX_NTH: i32 = 23;

/// What a schedule does with a day of its calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DayRule {
    /// It fires in working hours only.
    #[default]
    Only,
    /// It fires on days without working hours only.
    Except,
    /// A fire on a day without working hours moves to the next business day, at the same time of day.
    Next,
    /// A fire on a day without working hours moves to the business day before, at the same time of day.
    Previous,
    /// It fires on the n-th business day of the month only, counted from the month's end where negative.
    Nth(i32),
}

impl DayRule {
    /// Names of the rules, in the API and the database.
    pub const NAMES: [&str; 5] = ["only", "except", "next_business_day", "previous_business_day", "nth_business_day"];

    /// The rule with this name; `nth` is for `nth_business_day` alone.
    pub fn parse(name: &str, nth: Option<i32>) -> Result<Self, Fault> {
        let rule = match (name, nth) {
            ("only", _) => Self::Only,
            ("except", _) => Self::Except,
            ("next_business_day", _) => Self::Next,
            ("previous_business_day", _) => Self::Previous,
            ("nth_business_day", Some(nth)) if (1..=MAX_NTH.unsigned_abs()).contains(&nth.unsigned_abs()) => Self::Nth(nth),
            ("nth_business_day", _) => {
                let message = format!("must be 1 to {MAX_NTH}, or -1 (the last business day of the month) to -{MAX_NTH}");
                return Err(Fault::new("business_day", message));
            }
            _ => return Err(Fault::new("calendar_rule", format!("must be one of {}", Self::NAMES.join(", ")))),
        };
        if nth.is_some() && !matches!(rule, Self::Nth(_)) {
            return Err(Fault::new("business_day", "must be omitted: only the rule nth_business_day has one"));
        }
        Ok(rule)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Only => "only",
            Self::Except => "except",
            Self::Next => "next_business_day",
            Self::Previous => "previous_business_day",
            Self::Nth(_) => "nth_business_day",
        }
    }

    /// Whether it moves fires to other days.
    pub(crate) const fn moves(self) -> bool {
        matches!(self, Self::Next | Self::Previous)
    }

    /// Whether a fire that stays on its day may be on this one.
    pub(crate) fn allows(self, calendar: &Calendar, date: NaiveDate) -> bool {
        match self {
            Self::Only | Self::Next | Self::Previous => calendar.is_business_day(date),
            Self::Except => !calendar.is_business_day(date),
            Self::Nth(n) => calendar.business_day_of_month(date.year(), date.month(), n) == Some(date),
        }
    }

    /// The first date of a schedule, from `from` to `last`, whose dates without a calendar are those of `next`.
    pub(crate) fn next_date(
        self,
        calendar: &Calendar,
        (from, last): (NaiveDate, NaiveDate),
        next: impl Fn(NaiveDate) -> Option<NaiveDate>,
    ) -> Option<NaiveDate> {
        let found = match self {
            // Dates after the last business day before `from` move to `from` or later, earlier ones do not.
            Self::Next => {
                let begin = calendar.business_day_to(from.pred_opt()?).map_or(Some(from), |day| day.succ_opt())?;
                calendar.business_day_from(next(begin)?)
            }
            // Dates before the first business day from `from` move to before `from`.
            Self::Previous => calendar.business_day_to(next(calendar.business_day_from(from)?)?),
            Self::Only | Self::Except | Self::Nth(_) => {
                let mut date = next(from)?;
                while date <= last && !self.allows(calendar, date) {
                    date = next(date.succ_opt()?)?;
                }
                Some(date)
            }
        };
        found.filter(|date| *date <= last)
    }
}
