//! What `create` and `update` take: options for what people set most, a file for everything.

use api_types::{Calendar, CalendarCreate, CalendarDay, CalendarUpdate, CalendarWeek};
use chrono::NaiveDate;
use clap::Args;
use domain::calendar::HolidaySet;

use crate::commands::{Fault, parameters::read_json};

/// A new calendar. Without hours: Monday to Friday.
#[derive(Args)]
pub(super) struct CreateArgs {
    /// Name; may be in the file instead.
    #[arg(required_unless_present = "file")]
    name: Option<String>,
    /// File with the calendar in the API's JSON, - for standard input; options override it.
    #[arg(long, short = 'F', value_name = "FILE")]
    file: Option<String>,
    #[command(flatten)]
    fields: Fields,
}

/// Changes of a calendar. What is not given stays as it is.
#[derive(Args)]
pub(super) struct UpdateArgs {
    /// Its name, or its id.
    pub(super) name: String,
    /// New name.
    #[arg(long = "name", value_name = "NAME")]
    new_name: Option<String>,
    /// File with the fields to change in the API's JSON, - for standard input; options override it.
    #[arg(long, short = 'F', value_name = "FILE")]
    file: Option<String>,
    #[command(flatten)]
    fields: Fields,
    /// Forget a day of the calendar's own; repeat it for several.
    #[arg(long, value_name = "DATE")]
    forget: Vec<NaiveDate>,
}

#[derive(Args)]
struct Fields {
    /// Sets of holidays: br, br-bank, br-optional, or br- and a state, such as br-sp.
    #[arg(long, value_delimiter = ',', value_name = "SET")]
    holidays: Vec<HolidaySet>,
    /// Hours of days of the week, such as mon-fri=08:00-12:00,13:00-18:00; repeat it for other days. Days without hours are days off.
    #[arg(long, value_name = "DAYS=HOURS", value_parser = hours)]
    hours: Vec<DayHours>,
    /// A day on which nobody works, with its name; repeat it for several.
    #[arg(long, value_name = "DATE[=NAME]", value_parser = day)]
    off: Vec<(NaiveDate, String)>,
    /// A day on which people work although it would be a day off; repeat it for several.
    #[arg(long, value_name = "DATE[=NAME]", value_parser = day)]
    on: Vec<(NaiveDate, String)>,
}

/// Days of the week, counted from Monday, and their hours.
#[derive(Clone, Debug, PartialEq)]
struct DayHours {
    first: usize,
    last: usize,
    hours: Vec<String>,
}

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

fn hours(text: &str) -> Result<DayHours, String> {
    let (days, hours) = text.split_once('=').ok_or("must be DAYS=HOURS, such as mon-fri=08:00-18:00")?;
    let nth = |name: &str| {
        let name = name.trim().to_lowercase();
        let found = WEEKDAYS.iter().position(|day| *day == name || (name.len() == 3 && day.starts_with(&name)));
        found.ok_or_else(|| format!("\"{name}\" is no day of the week, such as mon"))
    };
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let (first, last) = (nth(first)?, nth(last)?);
    if first > last {
        return Err("the days must be in order, from monday to sunday".to_owned());
    }
    Ok(DayHours { first, last, hours: hours.split(',').map(|range| range.trim().to_owned()).filter(|range| !range.is_empty()).collect() })
}

fn day(text: &str) -> Result<(NaiveDate, String), String> {
    let (date, name) = text.split_once('=').unwrap_or((text, ""));
    let date = date.trim().parse().map_err(|_| format!("\"{date}\" is no date such as 2026-12-24"))?;
    Ok((date, name.trim().to_owned()))
}

impl CreateArgs {
    pub(super) fn request(self) -> Result<CalendarCreate, Fault> {
        let mut request: CalendarCreate = match &self.file {
            Some(file) => read_json(file, "a calendar")?,
            None => CalendarCreate::default(),
        };
        if let Some(name) = self.name {
            request.name = name;
        }
        request.week = self.fields.week().or(request.week);
        if !self.fields.holidays.is_empty() {
            request.holidays.clone_from(&self.fields.holidays);
        }
        self.fields.set_days(&mut request.days);
        Ok(request)
    }
}

impl UpdateArgs {
    /// The changes of the calendar as it is: days join those that it has.
    pub(super) fn request(self, calendar: Calendar) -> Result<CalendarUpdate, Fault> {
        let mut request: CalendarUpdate = match &self.file {
            Some(file) => read_json(file, "changes of a calendar")?,
            None => CalendarUpdate::default(),
        };
        request.name = self.new_name.or(request.name);
        request.week = self.fields.week().or(request.week);
        if !self.fields.holidays.is_empty() {
            request.holidays = Some(self.fields.holidays.clone());
        }
        if !(self.fields.off.is_empty() && self.fields.on.is_empty() && self.forget.is_empty()) {
            let days = request.days.get_or_insert(calendar.days);
            days.retain(|day| !self.forget.contains(&day.date));
            self.fields.set_days(days);
            request.updated_at = request.updated_at.or(Some(calendar.updated_at));
        }
        Ok(request)
    }
}

impl Fields {
    fn week(&self) -> Option<CalendarWeek> {
        if self.hours.is_empty() {
            return None;
        }
        let of = |nth: usize| self.hours.iter().rev().find(|given| (given.first..=given.last).contains(&nth));
        // The API's week begins on Sunday.
        Some(CalendarWeek::of(std::array::from_fn(|day| of((day + 6) % 7).map(|given| given.hours.clone()).unwrap_or_default())))
    }

    fn set_days(&self, days: &mut Vec<CalendarDay>) {
        let off = self.off.iter().map(|day| (day, false));
        for ((date, name), works) in off.chain(self.on.iter().map(|day| (day, true))) {
            days.retain(|day| day.date != *date);
            days.push(CalendarDay { date: *date, name: name.clone(), works: Some(works), hours: Vec::new() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_given_by_days_of_the_week() {
        let office = hours("Mon-Friday=08:00-12:00, 13:00-18:00").unwrap();
        assert_eq!((office.first, office.last, office.hours.len()), (0, 4, 2));
        for (text, part) in
            [("mon", "DAYS=HOURS"), ("mon-abc=1", "\"abc\" is no day"), ("fri-mon=08:00-12:00", "in order"), ("m=x", "\"m\"")]
        {
            assert!(hours(text).unwrap_err().contains(part), "{text}");
        }
        let fields = Fields {
            holidays: vec![],
            hours: vec![office.clone(), hours("fri=08:00-12:00").unwrap(), hours("sun=20:00-24:00").unwrap()],
            off: vec![],
            on: vec![],
        };
        let week = fields.week().unwrap();
        assert_eq!(
            (&week.monday, week.friday, week.saturday, week.sunday),
            (&office.hours, vec!["08:00-12:00".to_owned()], vec![], vec!["20:00-24:00".to_owned()])
        );
    }

    #[test]
    fn days_are_given_with_their_names() {
        let date = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(day("2026-12-24=Véspera de Natal").unwrap(), (date("2026-12-24"), "Véspera de Natal".to_owned()));
        assert_eq!(day("2026-12-24").unwrap(), (date("2026-12-24"), String::new()));
        assert!(day("24/12/2026").unwrap_err().contains("such as 2026-12-24"));
        let fields =
            Fields { holidays: vec![], hours: vec![], off: vec![day("2026-12-24=a").unwrap()], on: vec![day("2026-12-26").unwrap()] };
        let mut days = vec![CalendarDay { date: date("2026-12-24"), name: "b".to_owned(), works: Some(true), hours: vec![] }];
        fields.set_days(&mut days);
        let shown: Vec<_> = days.iter().map(|day| (day.date.to_string(), day.name.as_str(), day.works)).collect();
        assert_eq!(shown, [("2026-12-24".to_owned(), "a", Some(false)), ("2026-12-26".to_owned(), "", Some(true))]);
        assert_eq!(fields.week(), None);
    }
}
