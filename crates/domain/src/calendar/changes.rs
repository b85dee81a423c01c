//! What another version of a calendar changes about its own days.

use chrono::NaiveDate;

use super::{Calendar, Day};
use crate::wire::wire_names;

wire_names! {
    /// What happened to a day.
    pub enum DayChanged as "DayChanged" {
        /// It is new.
        Added = "added",
        /// Its name or hours differ.
        Changed = "changed",
        /// It is no day of its own any more.
        Removed = "removed",
    }
}

/// A day that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayChange {
    /// The day.
    pub date: NaiveDate,
    /// What happened to it.
    pub changed: DayChanged,
    /// It as it is now; as it was, where it is removed.
    pub day: Day,
}

impl Calendar {
    /// The days of its own that differ in `later`, by date.
    #[must_use]
    pub fn day_changes(&self, later: &Self) -> Vec<DayChange> {
        let new = later.days.iter().filter_map(|(date, day)| {
            let changed = match self.days.get(date) {
                None => DayChanged::Added,
                Some(before) if before != day => DayChanged::Changed,
                Some(_) => return None,
            };
            Some(DayChange { date: *date, changed, day: day.clone() })
        });
        let gone = self.days.iter().filter(|(date, _)| !later.days.contains_key(date));
        let gone = gone.map(|(date, day)| DayChange { date: *date, changed: DayChanged::Removed, day: day.clone() });
        let mut changes: Vec<_> = new.chain(gone).collect();
        changes.sort_by_key(|change| change.date);
        changes
    }
}
