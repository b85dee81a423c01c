//! The recurrence rules that calendars of holidays have: RFC 5545 without those below a day, and without sets and weeks of the year.

use chrono::{Datelike, Days, Months, NaiveDate, Weekday};

/// Steps that the expansion of all rules of a file may have.
const MAX_STEPS: u32 = 1_000_000;

/// What is left of a file's steps.
pub(super) struct Budget(u32);

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_STEPS)
    }
}

impl Budget {
    fn spend(&mut self) -> Result<(), String> {
        self.0 = self.0.checked_sub(1).ok_or("the recurring events of the file are too many days in all")?;
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// `RRULE`.
pub(super) struct Rule {
    frequency: Frequency,
    interval: u32,
    count: Option<u32>,
    until: Option<NaiveDate>,
    months: Vec<u32>,
    month_days: Vec<i32>,
    /// Weekdays, each with its number in the month; 0: every one.
    weekdays: Vec<(i32, Weekday)>,
}

impl Rule {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rule = Self {
            frequency: Frequency::Yearly,
            interval: 1,
            count: None,
            until: None,
            months: Vec::new(),
            month_days: Vec::new(),
            weekdays: Vec::new(),
        };
        let mut frequency = None;
        for part in text.split(';').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| bad(part))?;
            match name.to_ascii_uppercase().as_str() {
                "FREQ" => frequency = Some(frequency_of(value)?),
                "INTERVAL" => rule.interval = number(value, 1..=10_000).ok_or_else(|| bad(part))?,
                "COUNT" => rule.count = Some(number(value, 1..=100_000).ok_or_else(|| bad(part))?),
                "UNTIL" => rule.until = Some(day(value).ok_or_else(|| bad(part))?),
                "BYMONTH" => rule.months = list(value, |item| number(item, 1..=12)).ok_or_else(|| bad(part))?,
                "BYMONTHDAY" => rule.month_days = list(value, month_day).ok_or_else(|| bad(part))?,
                "BYDAY" => rule.weekdays = list(value, weekday).ok_or_else(|| bad(part))?,
                // It matters to rules of every second week only, and those begin on Monday here.
                "WKST" => {}
                _ => return Err(format!("RRULE: {} is not supported", cut(name))),
            }
        }
        rule.frequency = frequency.ok_or("RRULE: FREQ is missing")?;
        let numbered = rule.weekdays.iter().any(|(nth, _)| *nth != 0);
        let monthly = rule.frequency == Frequency::Monthly || rule.frequency == Frequency::Yearly && !rule.months.is_empty();
        if rule.frequency == Frequency::Yearly && rule.months.is_empty() && !(rule.weekdays.is_empty() && rule.month_days.is_empty())
            || numbered && !monthly
        {
            return Err("RRULE: BYDAY and BYMONTHDAY of a yearly event need BYMONTH, and numbered days of the week a month".to_owned());
        }
        Ok(rule)
    }

    /// The dates from `start` to `until`.
    pub(super) fn dates(&self, start: NaiveDate, until: NaiveDate, budget: &mut Budget) -> Result<Vec<NaiveDate>, String> {
        let last = self.until.map_or(until, |own| own.min(until));
        let count = self.count.map_or(usize::MAX, |count| count as usize);
        let mut dates = Vec::new();
        for period in 0.. {
            let Some(begin) = self.period(start, period).filter(|begin| *begin <= last) else { break };
            budget.spend()?;
            let mut of_period = self.of_period(begin, start);
            of_period.retain(|date| (start..=last).contains(date));
            of_period.sort_unstable();
            of_period.dedup();
            for date in of_period {
                budget.spend()?;
                dates.push(date);
                if dates.len() == count {
                    return Ok(dates);
                }
            }
        }
        Ok(dates)
    }

    /// The first day of the n-th period: the day itself, its Monday, the first of its month or year.
    fn period(&self, start: NaiveDate, n: u32) -> Option<NaiveDate> {
        let n = n.checked_mul(self.interval)?;
        match self.frequency {
            Frequency::Daily => start.checked_add_days(Days::new(n.into())),
            Frequency::Weekly => {
                let monday = start.checked_sub_days(Days::new(start.weekday().num_days_from_monday().into()))?;
                monday.checked_add_days(Days::new(u64::from(n) * 7))
            }
            Frequency::Monthly => start.with_day(1)?.checked_add_months(Months::new(n)),
            Frequency::Yearly => start.with_day(1)?.with_month(1)?.checked_add_months(Months::new(n.checked_mul(12)?)),
        }
    }

    fn of_period(&self, begin: NaiveDate, start: NaiveDate) -> Vec<NaiveDate> {
        match self.frequency {
            Frequency::Daily => {
                let fits = self.fits_month(begin)
                    && (self.weekdays.is_empty() || self.weekdays.iter().any(|(_, weekday)| *weekday == begin.weekday()))
                    && (self.month_days.is_empty() || self.month_days.iter().any(|day| month_date(begin, *day) == Some(begin)));
                if fits { vec![begin] } else { Vec::new() }
            }
            Frequency::Weekly => {
                let chosen = |day: &NaiveDate| match self.weekdays.as_slice() {
                    [] => day.weekday() == start.weekday(),
                    weekdays => weekdays.iter().any(|(_, weekday)| *weekday == day.weekday()),
                };
                begin.iter_days().take(7).filter(|day| chosen(day) && self.fits_month(*day)).collect()
            }
            Frequency::Monthly if !self.fits_month(begin) => Vec::new(),
            Frequency::Monthly => self.of_month(begin, start),
            Frequency::Yearly if self.months.is_empty() => {
                begin.with_month(start.month()).and_then(|month| month.with_day(start.day())).into_iter().collect()
            }
            Frequency::Yearly => {
                let months = self.months.iter().filter_map(|month| begin.with_month(*month));
                months.flat_map(|month| self.of_month(month, start)).collect()
            }
        }
    }

    fn fits_month(&self, date: NaiveDate) -> bool {
        self.months.is_empty() || self.months.contains(&date.month())
    }

    /// The dates of a month, given by its first.
    fn of_month(&self, first: NaiveDate, start: NaiveDate) -> Vec<NaiveDate> {
        let days = u32::from(first.num_days_in_month());
        let by_day: Vec<_> = self.month_days.iter().filter_map(|day| month_date(first, *day)).collect();
        if self.weekdays.is_empty() {
            return if self.month_days.is_empty() { first.with_day(start.day()).into_iter().collect() } else { by_day };
        }
        let is_nth = |date: &NaiveDate, nth: i32| match nth {
            0 => true,
            nth if nth > 0 => (date.day() - 1) / 7 + 1 == nth.unsigned_abs(),
            nth => (days - date.day()) / 7 + 1 == nth.unsigned_abs(),
        };
        let of_weekdays = first.iter_days().take(days as usize);
        let of_weekdays = of_weekdays.filter(|date| self.weekdays.iter().any(|(nth, day)| *day == date.weekday() && is_nth(date, *nth)));
        of_weekdays.filter(|date| self.month_days.is_empty() || by_day.contains(date)).collect()
    }
}

/// A day of a month, counted from its end where negative.
fn month_date(month: NaiveDate, day: i32) -> Option<NaiveDate> {
    let days = i32::from(month.num_days_in_month());
    month.with_day(u32::try_from(if day < 0 { days + 1 + day } else { day }).ok()?)
}

fn frequency_of(text: &str) -> Result<Frequency, String> {
    match text.to_ascii_uppercase().as_str() {
        "DAILY" => Ok(Frequency::Daily),
        "WEEKLY" => Ok(Frequency::Weekly),
        "MONTHLY" => Ok(Frequency::Monthly),
        "YEARLY" => Ok(Frequency::Yearly),
        _ => Err(format!("RRULE: FREQ={} is not DAILY, WEEKLY, MONTHLY or YEARLY", cut(text))),
    }
}

fn number(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    text.parse().ok().filter(|number| range.contains(number))
}

fn month_day(text: &str) -> Option<i32> {
    text.parse().ok().filter(|day: &i32| (1..=31).contains(&day.unsigned_abs()))
}

/// `MO`, `-1FR`, `2TU`.
fn weekday(text: &str) -> Option<(i32, Weekday)> {
    let (nth, name) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let nth = if nth.is_empty() { 0 } else { nth.parse().ok().filter(|nth: &i32| (1..=5).contains(&nth.unsigned_abs()))? };
    let weekday = match name.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return None,
    };
    Some((nth, weekday))
}

/// The day of `UNTIL`, which is a date or a time.
fn day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.get(..8)?, "%Y%m%d").ok()
}

fn list<T>(text: &str, item: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(item).collect()
}

fn bad(part: &str) -> String {
    format!("RRULE: \"{}\" cannot be read", cut(part))
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}
