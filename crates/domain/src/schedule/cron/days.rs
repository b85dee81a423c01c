//! The dates of an expression: months, days of the month, days of the week.

use chrono::{Datelike, NaiveDate};

/// Index, in [`Days::nth`], of a weekday's last occurrence in the month.
pub(in crate::schedule) const LAST: u32 = 5;
/// The calendar repeats after this many years.
const CYCLE: i32 = 400;
/// Bit 1, 8, 15, 22 and 29: the days of a weekday whose first day is the 1st.
const WEEKLY: u32 = 0x2040_8102;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::schedule) struct Days {
    /// Bit n: month n.
    pub(in crate::schedule) months: u64,
    /// Bit n: day n.
    pub(in crate::schedule) of_month: u32,
    /// `L`.
    pub(in crate::schedule) last: bool,
    /// `LW`.
    pub(in crate::schedule) last_weekday: bool,
    /// Bit n: `nW`.
    pub(in crate::schedule) nearest: u32,
    /// Bit n: weekday n, from Sunday.
    pub(in crate::schedule) of_week: u32,
    /// Bit 6w + n - 1: the n-th weekday w; bit 6w + [`LAST`]: the last one.
    pub(in crate::schedule) nth: u64,
    /// Whether a date must be of both fields instead of either: one of them begins with `*`.
    pub(in crate::schedule) both: bool,
}

/// What a month's matching days depend on.
#[derive(Clone, Copy)]
struct Month {
    length: u32,
    /// Weekday of the first, from Sunday.
    first: u32,
}

impl Days {
    /// The first date not before `from`.
    pub(super) fn next(&self, from: NaiveDate) -> Option<NaiveDate> {
        let (first_year, first_month) = (from.year(), from.month());
        let mut rest = u32::MAX << from.day();
        for year in first_year..=first_year.saturating_add(CYCLE) {
            let begin = if year == first_year { first_month } else { 1 };
            for month in (begin..=12).filter(|month| self.months >> month & 1 == 1) {
                if (year, month) != (first_year, first_month) {
                    rest = u32::MAX;
                }
                let days = self.matching(Month::of(year, month)?) & rest;
                if days != 0 {
                    return NaiveDate::from_ymd_opt(year, month, days.trailing_zeros());
                }
            }
        }
        None
    }

    /// Whether any year has a matching date. 28 years in a row without a skipped leap year have every kind of year.
    pub(super) fn is_possible(&self) -> bool {
        (2001..=2028).any(|year| {
            (1..=12)
                .filter(|month| self.months >> month & 1 == 1)
                .any(|month| Month::of(year, month).is_some_and(|month| self.matching(month) != 0))
        })
    }

    fn matching(&self, month: Month) -> u32 {
        let (of_month, of_week) = (self.by_month(month), self.by_week(month));
        let days = if self.both { of_month & of_week } else { of_month | of_week };
        days & month.all()
    }

    fn by_month(&self, month: Month) -> u32 {
        let mut days = self.of_month;
        if self.last {
            days |= 1 << month.length;
        }
        if self.last_weekday {
            days |= 1 << month.nearest_weekday(month.length);
        }
        for day in bits(self.nearest.into()).filter(|day| *day <= month.length) {
            days |= 1 << month.nearest_weekday(day);
        }
        days
    }

    fn by_week(&self, month: Month) -> u32 {
        let all = month.all();
        let weekly = |weekday: u32| (WEEKLY << (month.first_day(weekday) - 1)) & all;
        let mut days = bits(self.of_week.into()).fold(0, |days, weekday| days | weekly(weekday));
        for bit in bits(self.nth) {
            let (weekday, nth) = (bit / 6, bit % 6);
            let day = month.first_day(weekday) + 7 * nth;
            days |= match nth {
                LAST => 1 << weekly(weekday).ilog2(),
                _ if day <= month.length => 1 << day,
                _ => 0,
            };
        }
        days
    }
}

impl Month {
    fn of(year: i32, month: u32) -> Option<Self> {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        Some(Self { length: first.num_days_in_month().into(), first: first.weekday().num_days_from_sunday() })
    }

    const fn all(self) -> u32 {
        u32::MAX >> (31 - self.length) & !1
    }

    /// First day that is this weekday.
    const fn first_day(self, weekday: u32) -> u32 {
        1 + (weekday + 7 - self.first) % 7
    }

    /// The day from Monday to Friday that is nearest to `day`, in the same month.
    const fn nearest_weekday(self, day: u32) -> u32 {
        match (self.first + day - 1) % 7 {
            0 if day == self.length => day - 2,
            0 => day + 1,
            6 if day == 1 => day + 2,
            6 => day - 1,
            _ => day,
        }
    }
}

pub(in crate::schedule) fn bits(set: u64) -> impl Iterator<Item = u32> + Clone {
    (0..u64::BITS).filter(move |bit| set >> bit & 1 == 1)
}
