//! Days of a calendar from files of other programs: iCalendar and CSV.
//!
//! A file says when nobody works. Everything is bounded before it is parsed or expanded, so that a file costs time by its useful size only:
//! bytes, events, recurring events, nesting, steps of expansion and days. A file with a fault is refused as a whole.

mod csv;
mod ics;
mod recurrence;

use std::{collections::BTreeMap, ops::RangeInclusive};

use chrono::NaiveDate;

pub use self::{csv::csv, ics::ics};
use super::{Calendar, Day, MAX_DAYS, MAX_NAME};
use crate::{
    Fault,
    schedule::{Zone, Zones},
    text::is_hidden,
    wire::wire_names,
};

/// Maximum size of a file, in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// Maximum number of events of an iCalendar file, and of lines of a CSV file.
pub const MAX_EVENTS: usize = 10_000;
/// Maximum number of events that recur.
pub const MAX_RECURRING: usize = 1_000;
/// How many faults of a file are reported.
const MAX_FAULTS: usize = 20;
const DAY_S: i64 = 86_400;

/// Years in which days of a file may be.
pub const YEARS: RangeInclusive<i32> = 1900..=2199;

wire_names! {
    /// Form of a file of days.
    pub enum Format as "CalendarFormat" {
        /// iCalendar.
        Ics = "ics",
        /// A table.
        Csv = "csv",
    }
}

wire_names! {
    /// What becomes of the days that a calendar has.
    pub enum Mode as "CalendarImportMode" {
        /// They stay, and those of the file join them.
        Merge = "merge",
        /// Those of the file replace them.
        Replace = "replace",
    }
    default Merge;
}

impl Format {
    /// The form that a text looks like.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let begins = |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if begins("BEGIN:VCALENDAR") { Self::Ics } else { Self::Csv }
    }

    /// Reads a file of this form; the other arguments are those of [`ics`].
    pub fn read(self, text: &str, zones: &Zones, zone: &Zone, until: NaiveDate) -> Result<Closings, Vec<Fault>> {
        match self {
            Self::Ics => ics(text, zones, zone, until),
            Self::Csv => csv(text),
        }
    }
}

/// Days on which nobody works, or not the whole day.
pub type Closings = BTreeMap<NaiveDate, Closing>;

/// When nobody works on a day, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// What is celebrated, or why nobody works.
    pub name: String,
    /// Seconds of the day: the first, and the one after the last.
    pub hours: Vec<(i64, i64)>,
}

impl Calendar {
    /// It with the days of a file.
    #[must_use]
    pub fn import(&self, mode: Mode, closings: Closings) -> Self {
        let mut later = self.clone();
        if mode == Mode::Replace {
            later.days.clear();
        }
        later.close(closings);
        later
    }

    /// Makes days of its own of these: their working hours without the hours in which nobody works.
    pub fn close(&mut self, closings: Closings) {
        for (date, closing) in closings {
            let hours = closing.hours.iter().fold(self.hours(date), |hours, (from, to)| hours.without(*from, *to));
            self.days.insert(date, Day { name: closing.name, hours });
        }
    }
}

/// A fault of the file.
fn fault(message: impl Into<String>) -> Fault {
    Fault::new("file", message)
}

fn size_fault(text: &str) -> Option<Fault> {
    (text.len() > MAX_BYTES).then(|| fault(format!("must have at most {} MiB", MAX_BYTES >> 20)))
}

/// Adds hours in which nobody works, from and to these local seconds since 1970.
fn add(closings: &mut Closings, name: &str, (from, to): (i64, i64)) -> Result<(), String> {
    for day in from.div_euclid(DAY_S)..=(to - 1).div_euclid(DAY_S) {
        let midnight = day * DAY_S;
        let date = i32::try_from(day).ok().and_then(NaiveDate::from_epoch_days).ok_or("a date is outside of the calendar")?;
        let closing = closings.entry(date).or_default();
        if closing.name.is_empty() {
            closing.name = name.chars().filter(|character| !is_hidden(*character)).take(MAX_NAME).collect();
        }
        closing.hours.push(((from - midnight).max(0), (to - midnight).min(DAY_S)));
        if closings.len() > MAX_DAYS {
            return Err(format!("has more than {MAX_DAYS} days"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
