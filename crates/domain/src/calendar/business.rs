//! Business days: days with working hours.

use chrono::{Datelike, NaiveDate};

use super::{Calendar, Hours};

/// How far the next business day is looked for, in days. A calendar that is closed for longer has none.
const MAX_SEARCH: usize = 3660;

impl Calendar {
    /// Whether a day has working hours.
    #[must_use]
    pub fn is_business_day(&self, date: NaiveDate) -> bool {
        // Without the hours, which most days have in full: searches ask this of many days.
        match self.days.get(&date) {
            Some(day) => !day.hours.is_empty(),
            None if self.closed_weekday(date) => false,
            None => self.holidays_on(date).next().is_none() || !self.hours(date).is_empty(),
        }
    }

    fn closed_weekday(&self, date: NaiveDate) -> bool {
        self.week.get(date.weekday().num_days_from_sunday() as usize).is_none_or(Hours::is_empty)
    }

    /// The first business day, not before `date`. `None`: there is none within ten years.
    #[must_use]
    pub fn business_day_from(&self, date: NaiveDate) -> Option<NaiveDate> {
        date.iter_days().take(MAX_SEARCH).find(|day| self.is_business_day(*day))
    }

    /// The last business day, not after `date`.
    #[must_use]
    pub fn business_day_to(&self, date: NaiveDate) -> Option<NaiveDate> {
        date.iter_days().rev().take(MAX_SEARCH).find(|day| self.is_business_day(*day))
    }

    /// The day that is `count` business days after `date`, or before it where negative. 0: `date` itself if it is one, otherwise the last
    /// before it.
    #[must_use]
    pub fn business_days_from(&self, date: NaiveDate, count: i32) -> Option<NaiveDate> {
        let mut day = date;
        for _ in 0..count.unsigned_abs() {
            day = if count > 0 { self.business_day_from(day.succ_opt()?)? } else { self.business_day_to(day.pred_opt()?)? };
        }
        if count == 0 { self.business_day_to(day) } else { Some(day) }
    }

    /// The n-th business day of a month, counted from its end where negative: -1 is the last.
    #[must_use]
    pub fn business_day_of_month(&self, year: i32, month: u32, n: i32) -> Option<NaiveDate> {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        let last = first.with_day(first.num_days_in_month().into())?;
        let nth = usize::try_from(n.unsigned_abs()).ok()?.checked_sub(1)?;
        let business = |day: &NaiveDate| self.is_business_day(*day);
        if n > 0 {
            first.iter_days().take_while(|day| *day <= last).filter(business).nth(nth)
        } else {
            last.iter_days().rev().take_while(|day| *day >= first).filter(business).nth(nth)
        }
    }
}
