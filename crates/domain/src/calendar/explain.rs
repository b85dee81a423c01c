//! Why a day is a business day, or is not.

use chrono::NaiveDate;

use super::{Calendar, Hours};
use crate::wire::wire_names;

/// Maximum number of days that are explained at once: ten years.
pub const MAX_EXPLAINED: usize = 3660;

wire_names! {
    /// What decides about the hours of a day.
    pub enum DayReason as "DayReason" {
        /// The hours of its day of the week.
        Week = "week",
        /// A holiday of one of the calendar's sets.
        Holiday = "holiday",
        /// The calendar has it as a day of its own.
        Day = "day",
    }
}

/// A day, and why it is as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The day.
    pub date: NaiveDate,
    /// Its working hours; none: it is no business day.
    pub hours: Hours,
    /// What decides about them.
    pub reason: DayReason,
    /// Name of the calendar's own day, else of the holidays.
    pub names: Vec<String>,
}

impl Calendar {
    /// Explains a day.
    #[must_use]
    pub fn explain(&self, date: NaiveDate) -> Explained {
        let (reason, names) = match self.days.get(&date) {
            Some(day) => (DayReason::Day, Some(day.name.clone()).filter(|name| !name.is_empty()).into_iter().collect()),
            None => {
                let mut names: Vec<_> = self.holidays_on(date).map(|holiday| holiday.name.to_owned()).collect();
                // Two sets may have the same day.
                names.dedup();
                (if names.is_empty() { DayReason::Week } else { DayReason::Holiday }, names)
            }
        };
        Explained { date, hours: self.hours(date), reason, names }
    }
}
