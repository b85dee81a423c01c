//! Calendars: which days and hours are working time, by week, by holidays and by single days; and the blackouts in which nothing starts.
//!
//! A calendar has no time zone. Its days and hours are those of the clock of whoever asks: a schedule's zone.

mod blackout;
mod brazil;
mod business;
mod changes;
mod explain;
mod hours;
pub mod import;
mod rule;

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

pub use self::{
    blackout::{Blackout, BlackoutSpan, MAX_BLACKOUT_MIN, OnBlackout},
    brazil::{Holiday, HolidaySet, easter},
    changes::{DayChange, DayChanged},
    explain::{DayReason, Explained, MAX_EXPLAINED},
    hours::{Hours, InvalidHours, MAX_RANGES},
    rule::{DayRule, MAX_NTH},
};
use crate::{Fault, text::has_hidden};

/// Maximum length of a calendar's name, and of a day's, in characters.
pub const MAX_NAME: usize = 200;
/// Maximum number of a calendar's own days.
pub const MAX_DAYS: usize = 20_000;
/// Maximum number of its blackouts.
pub const MAX_BLACKOUTS: usize = 100;

/// A named set of days and hours.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// Its name.
    pub name: String,
    /// Working hours of each day of the week, from Sunday.
    pub week: [Hours; 7],
    /// Holidays by law, on which nobody works.
    pub holidays: Vec<HolidaySet>,
    /// Days of its own, which count instead of the week and the holidays.
    pub days: BTreeMap<NaiveDate, Day>,
    /// When nothing starts.
    pub blackouts: Vec<Blackout>,
}

/// A single day of a calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// What is celebrated, or why it is different.
    pub name: String,
    /// Its working hours.
    pub hours: Hours,
}

impl Calendar {
    /// Monday to Friday, and no holidays.
    #[must_use]
    pub fn weekdays(name: impl Into<String>) -> Self {
        let week = std::array::from_fn(|weekday| if matches!(weekday, 0 | 6) { Hours::none() } else { Hours::all() });
        Self { name: name.into(), week, holidays: Vec::new(), days: BTreeMap::new(), blackouts: Vec::new() }
    }

    /// Monday to Friday, without the holidays of these sets.
    #[must_use]
    pub fn with_holidays(name: impl Into<String>, holidays: impl IntoIterator<Item = HolidaySet>) -> Self {
        Self { holidays: holidays.into_iter().collect(), ..Self::weekdays(name) }
    }

    /// Working hours of a day.
    #[must_use]
    pub fn hours(&self, date: NaiveDate) -> Hours {
        if let Some(day) = self.days.get(&date) {
            return day.hours.clone();
        }
        let of_week = self.week.get(date.weekday().num_days_from_sunday() as usize).cloned().unwrap_or_default();
        self.holidays_on(date).fold(of_week, |hours, holiday| hours.without(0, holiday.until_s))
    }

    /// The holidays of its sets on a day.
    pub fn holidays_on(&self, date: NaiveDate) -> impl Iterator<Item = Holiday> + '_ {
        self.holidays.iter().flat_map(move |set| set.on(date))
    }

    /// Every fault of its fields.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        faults.extend(name_fault("name", &self.name, 1));
        if self.week.iter().all(Hours::is_empty) && self.days.values().all(|day| day.hours.is_empty()) {
            faults
                .push(Fault::new("week", "must have working hours on one day of the week at least, or days of its own with working hours"));
        }
        if self.days.len() > MAX_DAYS {
            faults.push(Fault::new("days", format!("must have at most {MAX_DAYS} days")));
        }
        for (date, day) in &self.days {
            faults.extend(name_fault(&format!("days/{date}/name"), &day.name, 0));
            if day.hours.ranges().len() > MAX_RANGES {
                faults.push(Fault::new(format!("days/{date}/hours"), InvalidHours::TooMany.to_string()));
            }
        }
        if self.blackouts.len() > MAX_BLACKOUTS {
            faults.push(Fault::new("blackouts", format!("must have at most {MAX_BLACKOUTS} blackouts")));
        }
        for (index, blackout) in self.blackouts.iter().enumerate() {
            faults.extend(blackout.faults().into_iter().map(|fault| fault.under(&format!("blackouts/{index}"))));
        }
        faults
    }
}

fn name_fault(field: &str, name: &str, least: usize) -> Option<Fault> {
    let length = name.chars().count();
    if !(least..=MAX_NAME).contains(&length) {
        return Some(Fault::new(field, format!("must have {least} to {MAX_NAME} characters")));
    }
    has_hidden(name).then(|| Fault::new(field, "must not contain invisible characters"))
}

#[cfg(test)]
mod tests;
