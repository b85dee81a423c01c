//! What an expression looks like, before a language has words for it.

use crate::schedule::cron::{Cron, Days, LAST, bits};

/// How many times of day are listed one by one.
const MAX_LISTED: usize = 6;

/// Times of day.
pub(super) enum Times {
    /// These seconds of the day.
    At(Vec<u32>),
    /// Every so many seconds.
    Seconds(u32),
    /// Every so many minutes, from the start of the hour.
    Minutes(u32),
    /// Every so many minutes between the first and the last of these seconds of the day.
    MinutesBetween(u32, u32, u32),
    /// Every so many hours from midnight, at this minute.
    Hours(u32, u32),
    /// Every hour from the first to the last of these seconds of the day.
    HoursBetween(u32, u32),
    /// These seconds of these minutes of these hours; `None`: each.
    Fields { seconds: Option<Vec<u32>>, minutes: Option<Vec<u32>>, hours: Option<Vec<u32>> },
}

impl Times {
    pub(super) fn of(cron: &Cron) -> Self {
        let (seconds, minutes, hours) = (list(cron.second), list(cron.minute), list(cron.hour));
        let (every_minute, every_hour) = (minutes.len() == 60, hours.len() == 24);
        let listed = hours.len() * minutes.len() * seconds.len() <= MAX_LISTED && !every_hour;
        let between = is_range(&hours).then(|| (hours[0] * 3600, hours[hours.len() - 1] * 3600));
        match (step(&seconds, 60), step(&minutes, 60), step(&hours, 24), minutes.as_slice(), between) {
            (Some(every), ..) if every < 60 && every_minute && every_hour => Self::Seconds(every),
            _ if seconds != [0] => Self::at_or_fields(listed, seconds, minutes, hours),
            (_, Some(every), ..) if every_hour && every < 60 => Self::Minutes(every),
            (.., Some(every), [minute], _) if every < 24 && (cron.interval || !listed) => Self::Hours(every, *minute),
            _ if listed => Self::at_or_fields(listed, seconds, minutes, hours),
            (.., [minute], Some((first, last))) => Self::HoursBetween(first + minute * 60, last + minute * 60),
            (_, Some(every), _, _, Some((first, last))) => Self::MinutesBetween(every, first, last + (60 - every) * 60),
            _ => Self::at_or_fields(false, seconds, minutes, hours),
        }
    }

    fn at_or_fields(listed: bool, seconds: Vec<u32>, minutes: Vec<u32>, hours: Vec<u32>) -> Self {
        if !listed {
            let some = |values: Vec<u32>, all: usize| (values.len() < all).then_some(values);
            return Self::Fields { seconds: some(seconds, 60), minutes: some(minutes, 60), hours: some(hours, 24) };
        }
        let minutes = || hours.iter().flat_map(|hour| minutes.iter().map(move |minute| hour * 3600 + minute * 60));
        Self::At(minutes().flat_map(|minute| seconds.iter().map(move |second| minute + second)).collect())
    }

    /// Whether the words begin with the dates.
    pub(super) const fn are_few(&self) -> bool {
        matches!(self, Self::At(_))
    }
}

/// Dates.
pub(super) struct Dates {
    /// Of the month and of the week.
    pub(super) days: Kind,
    /// `None`: each.
    pub(super) months: Option<Vec<u32>>,
}

/// How both fields of days are joined.
pub(super) enum Kind {
    Every,
    OfMonth(OfMonth),
    OfWeek(OfWeek),
    Either(OfMonth, OfWeek),
    Both(OfMonth, OfWeek),
}

pub(super) struct OfMonth {
    pub(super) days: Vec<u32>,
    pub(super) nearest: Vec<u32>,
    pub(super) last: bool,
    pub(super) last_weekday: bool,
}

pub(super) struct OfWeek {
    /// From Sunday.
    pub(super) days: Vec<u32>,
    /// Weekday, and number in the month from 1; 0: the last.
    pub(super) nth: Vec<(u32, u32)>,
}

impl Dates {
    pub(super) fn of(days: &Days) -> Self {
        let months = list(days.months);
        let of_month = OfMonth {
            days: list(days.of_month.into()),
            nearest: list(days.nearest.into()),
            last: days.last,
            last_weekday: days.last_weekday,
        };
        let nth = bits(days.nth).map(|bit| (bit / 6, if bit % 6 == LAST { 0 } else { bit % 6 + 1 }));
        let of_week = OfWeek { days: list(days.of_week.into()), nth: nth.collect() };
        let (any_of_month, any_of_week) = (of_month.days.len() == 31, of_week.days.len() == 7);
        let kind = match (days.both, any_of_month, any_of_week) {
            (true, true, true) => Kind::Every,
            (true, true, false) => Kind::OfWeek(of_week),
            (true, false, true) => Kind::OfMonth(of_month),
            (true, false, false) => Kind::Both(of_month, of_week),
            (false, false, false) => Kind::Either(of_month, of_week),
            (false, ..) => Kind::Every,
        };
        Self { days: kind, months: (months.len() < 12).then_some(months) }
    }

    /// The one date of the year that it is.
    pub(super) fn yearly(&self) -> Option<(u32, u32)> {
        let [month] = *self.months.as_deref()? else { return None };
        let Kind::OfMonth(OfMonth { days, nearest, last: false, last_weekday: false }) = &self.days else { return None };
        match (days.as_slice(), nearest.as_slice()) {
            ([day], []) => Some((month, *day)),
            _ => None,
        }
    }
}

impl OfWeek {
    pub(super) fn is_monday_to_friday(&self) -> bool {
        self.days == [1, 2, 3, 4, 5] && self.nth.is_empty()
    }

    pub(super) fn is_weekend(&self) -> bool {
        self.days == [0, 6] && self.nth.is_empty()
    }
}

fn list(set: u64) -> Vec<u32> {
    bits(set).collect()
}

/// The step of values that go from 0 to before `end` in equal steps; 1: each value, `end`: 0 alone.
fn step(values: &[u32], end: u32) -> Option<u32> {
    let step = values.get(1).copied().unwrap_or(end);
    let all = step > 0 && end.is_multiple_of(step) && (0..end).step_by(step as usize).eq(values.iter().copied());
    all.then_some(step)
}

fn is_range(values: &[u32]) -> bool {
    values.len() > 1 && values.len() < 24 && values.windows(2).all(|pair| pair[1] == pair[0] + 1)
}
