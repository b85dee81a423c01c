//! A schedule in words, for people: "every weekday at 07:30", "toda segunda-feira às 09:00".
//!
//! Shapes that people use have their phrase; every other expression is told field by field. Two expressions that fire at different local times
//! never have the same words.

mod english;
mod portuguese;
mod shape;

use chrono::{NaiveDateTime, NaiveTime, TimeDelta};

use self::shape::{Dates, Times};
use super::{CalendarUse, Cron, Schedule, Spec, Window};
use crate::{calendar::DayRule, wire::wire_names};

wire_names! {
    /// A language of people.
    pub enum Language as "Language" {
        /// Brazilian Portuguese.
        Pt = "pt-BR" | "pt",
        /// English.
        En = "en",
    }
    default Pt;
}

/// The phrases of a language.
trait Phrases {
    /// Times of day, to be followed by or to follow dates.
    fn times(&self, times: &Times) -> String;
    /// Dates; `None`: every day.
    fn dates(&self, dates: &Dates) -> Option<String>;
    /// Months.
    fn months(&self, months: &[u32]) -> String;
    /// One date of the year.
    fn yearly(&self, month: u32, day: u32) -> String;
    fn every_day(&self) -> &'static str;
    fn interval(&self, length: TimeDelta) -> String;
    fn once(&self, at: NaiveDateTime) -> String;
    fn window(&self, start: NaiveTime, end: NaiveTime) -> String;
    fn calendar(&self, rule: DayRule, name: &str) -> String;
}

const fn phrases(language: Language) -> &'static dyn Phrases {
    match language {
        Language::Pt => &portuguese::Portuguese,
        Language::En => &english::English,
    }
}

impl Schedule {
    /// When it is due, in words. Its zone and its dates of start and end are not told.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        let phrases = phrases(language);
        let mut words = match &self.spec {
            Spec::Cron(cron) => cron.words(language),
            Spec::Interval { seconds, .. } => phrases.interval(TimeDelta::try_seconds(*seconds).unwrap_or(TimeDelta::MAX)),
            Spec::Once(at) => phrases.once(self.zone.local(*at)),
        };
        let window = self.window.map(|Window { start, end }| phrases.window(start, end));
        let calendar = self.calendar.as_ref().map(|CalendarUse { calendar, rule, .. }| phrases.calendar(*rule, &calendar.name));
        for more in [window, calendar].into_iter().flatten() {
            words.push_str(", ");
            words.push_str(&more);
        }
        words
    }
}

impl Cron {
    /// When it fires, in words.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        let phrases = phrases(language);
        let (times, dates) = (Times::of(self), Dates::of(&self.days));
        let at = phrases.times(&times);
        if let Some((month, day)) = dates.yearly() {
            let date = phrases.yearly(month, day);
            return if times.are_few() { format!("{date} {at}") } else { format!("{at}, {date}") };
        }
        let mut words = match (phrases.dates(&dates), times.are_few()) {
            (None, true) => format!("{} {at}", phrases.every_day()),
            (None, false) => at,
            (Some(dates), true) => format!("{dates} {at}"),
            (Some(dates), false) => format!("{at}, {dates}"),
        };
        if let Some(months) = &dates.months {
            words.push_str(", ");
            words.push_str(&phrases.months(months));
        }
        words
    }
}

/// `a`, `a and b`, `a, b and c`.
fn join(items: &[String], and: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} {and} {last}", most.join(", ")),
    }
}

/// Numbers with ranges of three and more as ranges: `1 to 5, 8 and 9`.
fn numbers(values: &[u32], to: &str, and: &str) -> String {
    let mut items = Vec::new();
    let mut rest = values;
    while let Some(first) = rest.first() {
        let run = rest.iter().zip(*first..).take_while(|(value, expected)| *value == expected).count();
        let (range, after) = rest.split_at(if run >= 3 { run } else { 1 });
        items.push(match range {
            [only] => only.to_string(),
            [first, .., last] => format!("{first} {to} {last}"),
            [] => String::new(),
        });
        rest = after;
    }
    join(&items, and)
}

/// `07:30`, and `07:30:15` where the seconds matter.
fn clock(second: u32) -> String {
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    if second == 0 { format!("{hour:02}:{minute:02}") } else { format!("{hour:02}:{minute:02}:{second:02}") }
}

#[cfg(test)]
mod tests;
