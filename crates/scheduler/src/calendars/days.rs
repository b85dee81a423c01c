//! Answers what days are, without changing anything.

use api_types::{CalendarDaysFilter, ExplainedDay, Holiday, HolidayFilter};
use auth::Permitted;
use chrono::NaiveTime;
use domain::{
    Fault,
    calendar::{Explained, MAX_EXPLAINED, import::YEARS},
    ids::CalendarId,
};
use runtime::Failure;

use super::Calendars;

impl Calendars {
    /// Each day from the first to the last.
    pub(crate) async fn days(&self, by: &Permitted, id: CalendarId, filter: &CalendarDaysFilter) -> Result<Vec<ExplainedDay>, Failure> {
        let count = filter.to.signed_duration_since(filter.from).num_days();
        if !(0..i64::try_from(MAX_EXPLAINED).unwrap_or(i64::MAX)).contains(&count) {
            let message = format!("must not be before from, and not be more than {} days after it", MAX_EXPLAINED - 1);
            return Err(Failure::BadQuery(vec![Fault::new("to", message)]));
        }
        let calendar = self.get(by, id).await?.calendar;
        let days = filter.from.iter_days().take_while(|day| *day <= filter.to);
        Ok(days.map(|day| explained(calendar.explain(day))).collect())
    }
}

fn explained(Explained { date, hours, reason, names }: Explained) -> ExplainedDay {
    ExplainedDay { date, business_day: !hours.is_empty(), hours: hours.texts(), reason, names }
}

/// The holidays of a set in a year.
pub(super) fn in_year(filter: &HolidayFilter) -> Result<Vec<Holiday>, Failure> {
    if !YEARS.contains(&filter.year) {
        let message = format!("must be {} to {}", YEARS.start(), YEARS.end());
        return Err(Failure::BadQuery(vec![Fault::new("year", message)]));
    }
    let until = |second: i64| NaiveTime::from_num_seconds_from_midnight_opt(u32::try_from(second).ok()?, 0);
    let holidays = filter.set.in_year(filter.year).map(|(date, holiday)| Holiday {
        date,
        name: holiday.name.to_owned(),
        // The end of the day is no time of it.
        until: until(holiday.until_s).map(|time| time.format("%H:%M").to_string()),
    });
    Ok(holidays.collect())
}
