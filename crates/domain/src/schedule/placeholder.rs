//! Dates in parameters: `{{today}}`, `{{first_of_last_month|yyyy-MM-dd}}`, `{{business_day-1}}`.
//!
//! They are those of the schedule's zone at the time at which the run was due, not at which it started: a run that is late, or repeated, gets the
//! same dates. One parser serves checking and filling, so that what was saved can be filled. `\{{` is the text `{{`.

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime};
use serde_json::Value;

use crate::{Fault, calendar::Calendar, text::nearest};

mod format;

use self::format::Format;

/// Upper bound of N in `+N` and `-N`: days.
pub const MAX_DAYS: i32 = 3660;
/// Upper bound of N in `+N` and `-N` of business days.
pub const MAX_BUSINESS_DAYS: i32 = 366;

/// What placeholders are computed from.
#[derive(Clone, Copy, Debug)]
pub struct Dates<'a> {
    /// Local time at which the run was due.
    pub due: NaiveDateTime,
    /// Local time at which the run before it was due; `None`: it is the first, and its own due time counts.
    pub previous: Option<NaiveDateTime>,
    /// Whose business days count; `None`: Monday to Friday.
    pub calendar: Option<&'a Calendar>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Today,
    Yesterday,
    Tomorrow,
    PrevRun,
    FirstOfMonth,
    LastOfMonth,
    FirstOfLastMonth,
    LastOfLastMonth,
    BusinessDay,
    NextBusinessDay,
}

const NAMES: [(&str, Name); 10] = [
    ("today", Name::Today),
    ("yesterday", Name::Yesterday),
    ("tomorrow", Name::Tomorrow),
    ("prev_run", Name::PrevRun),
    ("first_of_month", Name::FirstOfMonth),
    ("last_of_month", Name::LastOfMonth),
    ("first_of_last_month", Name::FirstOfLastMonth),
    ("last_of_last_month", Name::LastOfLastMonth),
    ("business_day", Name::BusinessDay),
    ("next_business_day", Name::NextBusinessDay),
];

struct Placeholder<'a> {
    name: Name,
    offset: i32,
    format: Format<'a>,
}

enum Piece<'a> {
    Text(&'a str),
    Date(Placeholder<'a>),
}

/// Every fault of the placeholders in `parameters`, with the path of its string below the field `parameters`.
#[must_use]
pub fn faults(parameters: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    collect(parameters, "parameters", &mut faults);
    faults
}

fn collect(value: &Value, path: &str, faults: &mut Vec<Fault>) {
    match value {
        Value::String(text) => faults.extend(pieces(text).err().map(|message| Fault::new(path, message))),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| collect(item, &format!("{path}/{index}"), faults)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| collect(field, &format!("{path}/{name}"), faults)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `parameters` with dates in place of placeholders, in the strings of objects and lists at any depth. Names of fields stay as they are.
///
/// # Errors
/// Placeholders that [`faults`] refuses, and business days that the calendar does not have.
pub fn fill(parameters: &Value, dates: &Dates<'_>) -> Result<Value, Fault> {
    fill_below(parameters, "parameters", dates)
}

fn fill_below(value: &Value, path: &str, dates: &Dates<'_>) -> Result<Value, Fault> {
    Ok(match value {
        Value::String(text) => Value::String(fill_text(text, dates).map_err(|message| Fault::new(path, message))?),
        Value::Array(items) => {
            let filled = items.iter().enumerate().map(|(index, item)| fill_below(item, &format!("{path}/{index}"), dates));
            Value::Array(filled.collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let filled = fields.iter().map(|(name, field)| Ok((name.clone(), fill_below(field, &format!("{path}/{name}"), dates)?)));
            Value::Object(filled.collect::<Result<_, Fault>>()?)
        }
        other => other.clone(),
    })
}

fn fill_text(text: &str, dates: &Dates<'_>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text)? {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Date(placeholder) => {
                let date = placeholder.date(dates).ok_or("the calendar has no such business day, or no year has such a date")?;
                placeholder.format.write(date, &mut filled);
            }
        }
    }
    Ok(filled)
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        if let Some(before) = before.strip_suffix('\\') {
            pieces.extend([Piece::Text(before), Piece::Text("{{")]);
            rest = after;
            continue;
        }
        let Some((inside, after)) = after.split_once("}}") else {
            return Err(format!("{{{{{} has no end: write }}}} after the name, or \\{{{{ for the text {{{{", cut(after)));
        };
        pieces.extend([Piece::Text(before), Piece::Date(placeholder(inside).map_err(|why| format!("{{{{{}}}}}: {why}", cut(inside)))?)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

fn placeholder(inside: &str) -> Result<Placeholder<'_>, String> {
    let (term, format) = inside.split_once('|').map_or((inside, None), |(term, format)| (term, Some(format)));
    let term = term.trim();
    let (given, offset) = term.find(['+', '-']).map_or((term, ""), |at| term.split_at(at));
    let given = given.trim();
    let Some((_, name)) = NAMES.into_iter().find(|(name, _)| *name == given) else {
        let names = NAMES.map(|(name, _)| name);
        return Err(match nearest(&cut(given), names).as_slice() {
            [] => format!("there is no such placeholder; there are {}", names.join(", ")),
            nearest => format!("there is no such placeholder; did you mean {}?", nearest.join(", ")),
        });
    };
    let most = if matches!(name, Name::BusinessDay | Name::NextBusinessDay) { MAX_BUSINESS_DAYS } else { MAX_DAYS };
    let offset = days(offset, most)?;
    Ok(Placeholder { name, offset, format: Format::parse(format.map_or("dd/MM/yyyy", str::trim))? })
}

/// Reads `+N` or `-N`.
fn days(text: &str, most: i32) -> Result<i32, String> {
    let mut characters = text.chars();
    let Some(sign) = characters.next() else { return Ok(0) };
    let digits = characters.as_str().trim();
    let number = digits.parse().ok().filter(|days| (0..=most).contains(days) && digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number: i32 = number.ok_or_else(|| format!("{} is not a number of days from {sign}0 to {sign}{most}", cut(text)))?;
    Ok(if sign == '-' { -number } else { number })
}

impl Placeholder<'_> {
    fn date(&self, dates: &Dates<'_>) -> Option<NaiveDateTime> {
        let base = if self.name == Name::PrevRun { dates.previous.unwrap_or(dates.due) } else { dates.due };
        let today = base.date();
        let last_month = || today.checked_sub_months(Months::new(1));
        let date = match self.name {
            Name::Today | Name::PrevRun => plus(today, self.offset),
            Name::Yesterday => plus(today, self.offset - 1),
            Name::Tomorrow => plus(today, self.offset + 1),
            Name::FirstOfMonth => plus(first(today)?, self.offset),
            Name::LastOfMonth => plus(last(today)?, self.offset),
            Name::FirstOfLastMonth => plus(first(last_month()?)?, self.offset),
            Name::LastOfLastMonth => plus(last(last_month()?)?, self.offset),
            Name::BusinessDay => business_day(dates, today, self.offset),
            Name::NextBusinessDay => business_day(dates, business_day(dates, today, 1)?, self.offset),
        };
        Some(date?.and_time(base.time()))
    }
}

fn business_day(dates: &Dates<'_>, date: NaiveDate, count: i32) -> Option<NaiveDate> {
    match dates.calendar {
        Some(calendar) => calendar.business_days_from(date, count),
        None => Calendar::weekdays("").business_days_from(date, count),
    }
}

fn plus(date: NaiveDate, days: i32) -> Option<NaiveDate> {
    let count = Days::new(days.unsigned_abs().into());
    if days < 0 { date.checked_sub_days(count) } else { date.checked_add_days(count) }
}

fn first(date: NaiveDate) -> Option<NaiveDate> {
    date.with_day(1)
}

fn last(date: NaiveDate) -> Option<NaiveDate> {
    date.with_day(date.num_days_in_month().into())
}

/// A text of the input for a message, not longer than a line.
fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests;
