use chrono::{NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use super::{
    Phrases, clock, join, numbers,
    shape::{Dates, Kind, OfMonth, OfWeek, Times},
};
use crate::calendar::DayRule;

pub(super) struct English;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const NTH: [&str; 6] = ["last", "first", "second", "third", "fourth", "fifth"];

fn weekday(weekday: u32) -> &'static str {
    WEEKDAYS.get(weekday as usize).copied().unwrap_or_default()
}

fn month(month: u32) -> &'static str {
    MONTHS.get(month.saturating_sub(1) as usize).copied().unwrap_or_default()
}

fn nth_weekday(&(day, nth): &(u32, u32)) -> String {
    format!("the {} {} of the month", NTH.get(nth as usize).copied().unwrap_or_default(), weekday(day))
}

fn every(count: u32, unit: &str) -> String {
    if count == 1 { format!("every {unit}") } else { format!("every {count} {unit}s") }
}

fn field(values: Option<&Vec<u32>>, unit: &str) -> String {
    match values.map(Vec::as_slice) {
        None => format!("every {unit}"),
        Some([one]) => format!("{unit} {one}"),
        Some(values) => format!("{unit}s {}", numbers(values, "to", "and")),
    }
}

fn of_month(days: &OfMonth) -> String {
    let mut items = Vec::new();
    match days.days.as_slice() {
        [] => {}
        [one] => items.push(format!("day {one} of the month")),
        days => items.push(format!("days {} of the month", numbers(days, "to", "and"))),
    }
    items.extend(days.nearest.iter().map(|day| format!("the day from Monday to Friday nearest to day {day} of the month")));
    items.extend(days.last_weekday.then(|| "the last day from Monday to Friday of the month".to_owned()));
    items.extend(days.last.then(|| "the last day of the month".to_owned()));
    join(&items, "and")
}

fn of_week(days: &OfWeek) -> String {
    if days.is_monday_to_friday() {
        return "every weekday".to_owned();
    }
    if days.is_weekend() {
        return "every Saturday and Sunday".to_owned();
    }
    let names: Vec<_> = days.days.iter().map(|day| weekday(*day).to_owned()).collect();
    let mut items = if names.is_empty() { Vec::new() } else { vec![format!("every {}", join(&names, "and"))] };
    items.extend(days.nth.iter().map(|nth| format!("on {}", nth_weekday(nth))));
    join(&items, "and")
}

fn which(days: &OfWeek) -> String {
    let names = days.days.iter().map(|day| format!("a {}", weekday(*day)));
    join(&names.chain(days.nth.iter().map(nth_weekday)).collect::<Vec<_>>(), "or")
}

impl Phrases for English {
    fn times(&self, times: &Times) -> String {
        match times {
            Times::At(times) => format!("at {}", join(&times.iter().map(|time| clock(*time)).collect::<Vec<_>>(), "and")),
            Times::Seconds(count) => every(*count, "second"),
            Times::Minutes(count) => every(*count, "minute"),
            Times::MinutesBetween(count, from, to) => format!("{} from {} to {}", every(*count, "minute"), clock(*from), clock(*to)),
            Times::Hours(count, 0) => every(*count, "hour"),
            Times::Hours(count, minute) => format!("{}, at minute {minute}", every(*count, "hour")),
            Times::HoursBetween(from, to) => format!("every hour from {} to {}", clock(*from), clock(*to)),
            Times::Fields { seconds, minutes, hours } => {
                let begin = match seconds.as_deref() {
                    Some([0]) => String::new(),
                    _ => format!("{} of ", field(seconds.as_ref(), "second")),
                };
                format!("at {begin}{} of {}", field(minutes.as_ref(), "minute"), field(hours.as_ref(), "hour"))
            }
        }
    }

    fn dates(&self, dates: &Dates) -> Option<String> {
        Some(match &dates.days {
            Kind::Every => return None,
            Kind::OfMonth(days) => format!("on {}", of_month(days)),
            Kind::OfWeek(days) => of_week(days),
            Kind::Either(month, week) => format!("on {}, and also {}", of_month(month), of_week(week)),
            Kind::Both(month, week) => format!("on {} if it is {}", of_month(month), which(week)),
        })
    }

    fn months(&self, months: &[u32]) -> String {
        format!("in {}", join(&months.iter().map(|number| month(*number).to_owned()).collect::<Vec<_>>(), "and"))
    }

    fn yearly(&self, number: u32, day: u32) -> String {
        format!("every year on {} {day}", month(number))
    }

    fn every_day(&self) -> &'static str {
        "every day"
    }

    fn interval(&self, length: TimeDelta) -> String {
        let units = [
            ("day", length.num_days()),
            ("hour", length.num_hours() % 24),
            ("minute", length.num_minutes() % 60),
            ("second", length.num_seconds() % 60),
        ];
        let parts: Vec<_> = units.into_iter().filter(|(_, count)| *count != 0).collect();
        match parts.as_slice() {
            [(unit, 1)] => format!("every {unit}"),
            _ => {
                let plural = |count: i64| if count == 1 { "" } else { "s" };
                let items = parts.iter().map(|(unit, count)| format!("{count} {unit}{}", plural(*count)));
                format!("every {}", join(&items.collect::<Vec<_>>(), "and"))
            }
        }
    }

    fn once(&self, at: NaiveDateTime) -> String {
        format!("once, on {} at {}", at.format("%Y-%m-%d"), clock(at.num_seconds_from_midnight()))
    }

    fn window(&self, start: NaiveTime, end: NaiveTime) -> String {
        format!("only from {} until before {}", start.format("%H:%M"), end.format("%H:%M"))
    }

    fn calendar(&self, rule: DayRule, name: &str) -> String {
        match rule {
            DayRule::Only => format!("only in working hours of the calendar {name}"),
            DayRule::Except => format!("only on days off of the calendar {name}"),
            DayRule::Next => format!("moved to the next business day of the calendar {name}"),
            DayRule::Previous => format!("moved to the business day before of the calendar {name}"),
            DayRule::Nth(-1) => format!("only on the last business day of the month of the calendar {name}"),
            DayRule::Nth(n) if n < 0 => {
                format!("only on business day {} from the end of the month of the calendar {name}", n.unsigned_abs())
            }
            DayRule::Nth(n) => format!("only on business day {n} of the month of the calendar {name}"),
        }
    }
}
