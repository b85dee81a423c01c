//! Calendars as the API has them, and as the rules have them.

use std::collections::{BTreeMap, HashMap};

use api_types::{CalendarBlackout, CalendarCreate, CalendarDay, CalendarUpdate, CalendarWeek};
use chrono::{Datelike as _, NaiveDate};
use domain::{
    Fault,
    calendar::{Blackout, BlackoutSpan, Calendar, Day, HolidaySet, Hours, import::YEARS},
    schedule::Cron,
};
use runtime::Failure;
use store::calendars::{Stored, Summary};

/// A new calendar.
pub(super) fn created(request: CalendarCreate) -> Result<Calendar, Failure> {
    let CalendarCreate { name, week, holidays, days, blackouts } = request;
    let update = CalendarUpdate {
        name: Some(name),
        week,
        holidays: Some(holidays),
        days: Some(days),
        blackouts: Some(blackouts),
        ..CalendarUpdate::default()
    };
    changed(Calendar::weekdays(String::new()), update)
}

/// A calendar with the fields of the request replaced.
pub(super) fn changed(mut calendar: Calendar, request: CalendarUpdate) -> Result<Calendar, Failure> {
    let mut faults = Vec::new();
    let mut order = HashMap::new();
    if let Some(name) = request.name {
        name.trim().clone_into(&mut calendar.name);
    }
    if let Some(given) = request.week {
        calendar.week = week(&given, &mut faults);
    }
    if let Some(given) = request.holidays {
        calendar.holidays = distinct(given);
    }
    if let Some(given) = request.days {
        order = given.iter().enumerate().map(|(index, day)| (day.date.to_string(), index)).collect();
        calendar.days = days(given, &mut faults);
    }
    if let Some(given) = request.blackouts {
        calendar.blackouts = blackouts(given, &mut faults);
    }
    if faults.is_empty() {
        faults = calendar.faults().into_iter().map(|fault| by_index(fault, &order)).collect();
    }
    if faults.is_empty() { Ok(calendar) } else { Err(Failure::Invalid(faults)) }
}

/// The rules name a day by its date, the request has it in a list.
fn by_index(fault: Fault, order: &HashMap<String, usize>) -> Fault {
    let named = fault.field.strip_prefix("days/").and_then(|rest| rest.split_once('/'));
    match named.and_then(|(date, field)| Some((order.get(date)?, field))) {
        Some((index, field)) => Fault::new(format!("days/{index}/{field}"), fault.message),
        None => fault,
    }
}

fn week(given: &CalendarWeek, faults: &mut Vec<Fault>) -> [Hours; 7] {
    given.days().map(|(name, ranges)| hours(ranges, &format!("week/{name}"), faults))
}

fn hours(ranges: &[String], path: &str, faults: &mut Vec<Fault>) -> Hours {
    Hours::parse(ranges).unwrap_or_else(|fault| {
        faults.push(fault.under(path));
        Hours::none()
    })
}

fn distinct(given: Vec<HolidaySet>) -> Vec<HolidaySet> {
    let mut sets = Vec::new();
    for set in given {
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    sets
}

fn days(given: Vec<CalendarDay>, faults: &mut Vec<Fault>) -> BTreeMap<NaiveDate, Day> {
    let mut days = BTreeMap::new();
    for (index, CalendarDay { date, name, works, hours: ranges }) in given.into_iter().enumerate() {
        let path = format!("days/{index}");
        if !YEARS.contains(&date.year()) {
            faults.push(Fault::new(format!("{path}/date"), format!("must be a date from {} to {}", YEARS.start(), YEARS.end())));
        }
        let hours = match (works, ranges.is_empty()) {
            (Some(true), true) => Hours::all(),
            (_, true) => Hours::none(),
            (Some(false), false) => {
                faults.push(Fault::new(format!("{path}/works"), "must not be false where hours are given"));
                Hours::none()
            }
            (_, false) => self::hours(&ranges, &format!("{path}/hours"), faults),
        };
        if days.insert(date, Day { name, hours }).is_some() {
            faults.push(Fault::new(format!("{path}/date"), "is in the list twice"));
        }
    }
    days
}

fn blackouts(given: Vec<CalendarBlackout>, faults: &mut Vec<Fault>) -> Vec<Blackout> {
    let mut blackouts = Vec::new();
    for (index, blackout) in given.into_iter().enumerate() {
        match span(&blackout) {
            Ok(span) => blackouts.push(Blackout { name: blackout.name, span }),
            Err(fault) => faults.push(fault.under(&format!("blackouts/{index}"))),
        }
    }
    blackouts
}

fn span(blackout: &CalendarBlackout) -> Result<BlackoutSpan, Fault> {
    match blackout {
        CalendarBlackout { from: Some(from), to: Some(to), cron_expression: None, minutes: None, .. } => {
            Ok(BlackoutSpan::Once { from: *from, to: *to })
        }
        CalendarBlackout { from: None, to: None, cron_expression: Some(start), minutes: Some(minutes), .. } => {
            let start = Cron::parse(start).map_err(|error| Fault::new("cron_expression", error.to_string()))?;
            Ok(BlackoutSpan::Recurring { start, minutes: *minutes })
        }
        _ => Err(Fault::new("", "must have from and to, or cron_expression and minutes")),
    }
}

pub(super) fn to_api(stored: Stored) -> api_types::Calendar {
    let Stored { id, calendar, revision: _, created_at, updated_at, updated_by } = stored;
    let Calendar { name, week, holidays, days, blackouts } = calendar;
    let day =
        |(date, Day { name, hours }): (NaiveDate, Day)| CalendarDay { date, name, works: Some(!hours.is_empty()), hours: hours.texts() };
    api_types::Calendar {
        id,
        name,
        week: week_to_api(&week),
        holidays,
        days: days.into_iter().map(day).collect(),
        blackouts: blackouts.into_iter().map(blackout_to_api).collect(),
        created_at,
        updated_at,
        updated_by,
    }
}

pub(super) fn summary(summary: Summary) -> api_types::CalendarSummary {
    let Summary { id, name, week, holidays, days, blackouts, created_at, updated_at, updated_by } = summary;
    api_types::CalendarSummary {
        id,
        name,
        week: week_to_api(&week),
        holidays,
        day_count: days,
        blackout_count: blackouts,
        created_at,
        updated_at,
        updated_by,
    }
}

fn week_to_api(week: &[Hours; 7]) -> CalendarWeek {
    CalendarWeek::of(week.each_ref().map(Hours::texts))
}

fn blackout_to_api(blackout: Blackout) -> CalendarBlackout {
    let named = CalendarBlackout { name: blackout.name, ..CalendarBlackout::default() };
    match blackout.span {
        BlackoutSpan::Once { from, to } => CalendarBlackout { from: Some(from), to: Some(to), ..named },
        BlackoutSpan::Recurring { start, minutes } => {
            CalendarBlackout { cron_expression: Some(start.to_string()), minutes: Some(minutes), ..named }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn create(body: Value) -> Result<Calendar, Vec<String>> {
        created(serde_json::from_value(body).unwrap()).map_err(|failure| match failure {
            Failure::Invalid(faults) => faults.into_iter().map(|fault| fault.field).collect(),
            other => panic!("{other}"),
        })
    }

    fn stored(calendar: Calendar) -> Stored {
        let now = chrono::DateTime::UNIX_EPOCH;
        Stored { id: uuid::Uuid::nil().into(), calendar, revision: 1, created_at: now, updated_at: now, updated_by: None }
    }

    #[test]
    fn what_is_answered_can_be_sent_back() {
        let calendar = create(json!({
            "name": " Office ", "week": {"monday": ["13:00-18:00", "08:00-12:00"]}, "holidays": ["br", "br-sp", "br"],
            "days": [
                {"date": "2026-12-24", "name": "Eve", "hours": ["08:00-12:00"]}, {"date": "2026-12-26", "works": true}, {"date": "2026-12-23"}
            ],
            "blackouts": [
                {"name": "x", "cronExpression": "0 18 L * *", "minutes": 60}, {"from": "2026-12-05", "to": "2026-12-06T03:00:00-03:00"}
            ]
        }))
        .unwrap();
        assert_eq!((calendar.name.as_str(), calendar.holidays.len(), calendar.blackouts.len()), ("Office", 2, 2));
        assert_eq!(calendar.week[1].texts(), ["08:00-12:00", "13:00-18:00"]);
        let hours: Vec<_> = calendar.days.values().map(|day| day.hours.texts().join(",")).collect();
        assert_eq!(hours, ["", "08:00-12:00", "00:00-24:00"]);
        let answer = serde_json::to_value(to_api(stored(calendar.clone()))).unwrap();
        let update: CalendarUpdate = serde_json::from_value(answer).unwrap();
        assert_eq!(changed(calendar.clone(), update).unwrap(), calendar);
        assert_eq!(changed(calendar.clone(), CalendarUpdate::default()).unwrap(), calendar);
    }

    #[test]
    fn each_fault_names_its_field() {
        assert_eq!(create(json!({"name": "x"})).unwrap(), Calendar::weekdays("x"));
        let faults = create(json!({
            "name": "", "week": {"monday": ["8-9"], "friday": ["09:00-08:00"]},
            "days": [
                {"date": "2026-12-24"}, {"date": "2026-12-24"}, {"date": "1899-01-01"}, {"date": "2026-12-25", "works": false, "hours": ["08:00-09:00"]},
                {"date": "2026-12-26", "hours": ["x"]}
            ],
            "blackouts": [{"from": "2026-12-05"}, {"cron_expression": "0 0 30 2 *", "minutes": 5}, {"from": "2026-12-05", "to": "2026-12-06", "minutes": 1}]
        }))
        .unwrap_err();
        let expected = [
            "week/monday/0",
            "week/friday/0",
            "days/1/date",
            "days/2/date",
            "days/3/works",
            "days/4/hours/0",
            "blackouts/0",
            "blackouts/1/cron_expression",
            "blackouts/2",
        ];
        assert_eq!(faults, expected);
        let faults = create(json!({"name": " ", "days": [{"date": "2026-12-31"}, {"date": "2026-12-24", "name": "a\u{202e}"}]}));
        assert_eq!(faults.unwrap_err(), ["name", "days/1/name"]);
        let reversed = json!({"name": "x", "blackouts": [{"from": "2026-12-06", "to": "2026-12-05"}]});
        assert_eq!(create(reversed).unwrap_err(), ["blackouts/0/to"]);
    }
}
