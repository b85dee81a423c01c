use chrono::{NaiveTime, Timelike};
use serde::{Deserialize, Serialize};

use crate::Fault;

const DAY_S: i64 = 86_400;
/// Maximum number of ranges of a day.
pub const MAX_RANGES: usize = 24;

/// Working hours of a day: ranges that do not touch, in order. A range begins with its first second and ends before its last. As text and
/// JSON they are a list of ranges such as `08:00-12:00`; `00:00-24:00` is the whole day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub struct Hours(Vec<(i64, i64)>);

/// Why a range is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHours {
    /// It does not end after it begins.
    #[error("must end after it begins")]
    Reversed,
    /// It cannot be read.
    #[error("must be hours such as 08:00-12:00; 00:00-24:00 is the whole day")]
    Unreadable,
    /// There are too many.
    #[error("must be at most {MAX_RANGES} ranges")]
    TooMany,
}

impl Hours {
    /// The whole day.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![(0, DAY_S)])
    }

    /// No hour.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// The hours between these times; an end at 00:00 is the end of the day.
    pub fn between(ranges: impl IntoIterator<Item = (NaiveTime, NaiveTime)>) -> Result<Self, InvalidHours> {
        let mut closed = vec![];
        let mut open = vec![];
        for (from, to) in ranges {
            let (from, to) = (i64::from(from.num_seconds_from_midnight()), end_of(to));
            if from >= to {
                return Err(InvalidHours::Reversed);
            }
            open.push((from, to));
        }
        open.sort_unstable();
        let mut at = 0;
        for (from, to) in open {
            closed.push((at, from));
            at = to.max(at);
        }
        closed.push((at, DAY_S));
        Ok(closed.into_iter().fold(Self::all(), |hours, (from, to)| hours.without(from, to)))
    }

    /// Reads ranges of text. A fault has the index of its range as the field.
    pub fn parse<T: AsRef<str>>(ranges: &[T]) -> Result<Self, Fault> {
        if ranges.len() > MAX_RANGES {
            return Err(Fault::new("", InvalidHours::TooMany.to_string()));
        }
        let mut times = Vec::new();
        for (index, range) in ranges.iter().enumerate() {
            let range = range_of(range.as_ref()).and_then(|range| Self::between([range]).map(|_| range));
            times.push(range.map_err(|error| Fault::new(index.to_string(), error.to_string()))?);
        }
        Self::between(times).map_err(|error| Fault::new("", error.to_string()))
    }

    /// Its ranges as text.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(|(from, to)| format!("{}-{}", time_text(*from), time_text(*to))).collect()
    }

    /// Without the seconds from `from` until before `to`.
    #[must_use]
    pub fn without(self, from: i64, to: i64) -> Self {
        if from >= to {
            return self;
        }
        let rest = self.0.into_iter().flat_map(|(begin, end)| [(begin, end.min(from)), (begin.max(to), end)]);
        Self(rest.filter(|(begin, end)| begin < end).collect())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its ranges: the first second, and the second after the last.
    #[must_use]
    pub fn ranges(&self) -> &[(i64, i64)] {
        &self.0
    }

    /// The first second that is in it, not before `second`.
    pub(crate) fn next(&self, second: i64) -> Option<i64> {
        self.0.iter().find(|(_, to)| second < *to).map(|(from, _)| second.max(*from))
    }
}

/// The second at which a range ends; 00:00 is the end of the day.
pub(super) fn end_of(time: NaiveTime) -> i64 {
    match i64::from(time.num_seconds_from_midnight()) {
        0 => DAY_S,
        second => second,
    }
}

fn range_of(text: &str) -> Result<(NaiveTime, NaiveTime), InvalidHours> {
    let (from, to) = text.split_once('-').ok_or(InvalidHours::Unreadable)?;
    Ok((time_of(from)?, time_of(if to.trim() == "24:00" { "00:00" } else { to })?))
}

fn time_of(text: &str) -> Result<NaiveTime, InvalidHours> {
    let text = text.trim();
    let time = NaiveTime::parse_from_str(text, "%H:%M").or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S"));
    // A leap second is none of a calendar.
    time.ok().filter(|time| time.nanosecond() == 0).ok_or(InvalidHours::Unreadable)
}

fn time_text(second: i64) -> String {
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    if second == 0 { format!("{hour:02}:{minute:02}") } else { format!("{hour:02}:{minute:02}:{second:02}") }
}

impl From<Hours> for Vec<String> {
    fn from(hours: Hours) -> Self {
        hours.texts()
    }
}

impl TryFrom<Vec<String>> for Hours {
    type Error = String;

    fn try_from(ranges: Vec<String>) -> Result<Self, String> {
        Self::parse(&ranges).map_err(|fault| fault.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(ranges: &[(&str, &str)]) -> Result<Hours, InvalidHours> {
        Hours::between(ranges.iter().map(|(from, to)| (from.parse().unwrap(), to.parse().unwrap())))
    }

    #[test]
    fn ranges_are_joined_and_sorted() {
        let hours = between(&[("13:00:00", "18:00:00"), ("08:00:00", "12:00:00"), ("11:00:00", "13:00:00")]).unwrap();
        assert_eq!(hours.ranges(), [(8 * 3600, 18 * 3600)]);
        assert_eq!(between(&[("20:00:00", "00:00:00")]).unwrap().ranges(), [(20 * 3600, DAY_S)]);
        assert_eq!(between(&[]).unwrap(), Hours::none());
        assert_eq!(between(&[("12:00:00", "12:00:00")]), Err(InvalidHours::Reversed));
        assert_eq!(between(&[("22:00:00", "06:00:00")]), Err(InvalidHours::Reversed));
    }

    #[test]
    fn a_range_begins_with_its_first_second_and_ends_before_its_last() {
        let hours = between(&[("08:00:00", "12:00:00"), ("13:00:00", "18:00:00")]).unwrap();
        assert_eq!(hours.next(0), Some(8 * 3600));
        assert_eq!(hours.next(8 * 3600), Some(8 * 3600));
        assert_eq!(hours.next(12 * 3600 - 1), Some(12 * 3600 - 1));
        assert_eq!(hours.next(12 * 3600), Some(13 * 3600));
        assert_eq!(hours.next(18 * 3600), None);
        assert_eq!(hours.without(9 * 3600, 17 * 3600).ranges(), [(8 * 3600, 9 * 3600), (17 * 3600, 18 * 3600)]);
    }
    #[test]
    fn hours_are_read_and_written_as_text() {
        let hours = Hours::parse(&["13:00-18:00", " 08:00 - 12:00 "]).unwrap();
        assert_eq!(hours.texts(), ["08:00-12:00", "13:00-18:00"]);
        assert_eq!(Hours::parse(&["00:00-24:00"]).unwrap(), Hours::all());
        assert_eq!(Hours::parse(&["00:00-00:00"]).unwrap().texts(), ["00:00-24:00"]);
        assert_eq!(Hours::all().without(0, 61).texts(), ["00:01:01-24:00"]);
        assert_eq!(Hours::parse::<&str>(&[]).unwrap(), Hours::none());
        for (ranges, field, message) in [
            (vec!["08:00-12:00", "8h-12h"], "1", "must be hours such as"),
            (vec!["12:00"], "0", "must be hours such as"),
            (vec!["25:00-26:00"], "0", "must be hours such as"),
            (vec!["08:00:60-09:00"], "0", "must be hours such as"),
            (vec!["24:00-12:00"], "0", "must be hours such as"),
            (vec!["08:00-12:00", "14:00-13:00"], "1", "must end after"),
            (vec!["08:00-09:00"; 25], "", "at most 24"),
        ] {
            let fault = Hours::parse(&ranges).unwrap_err();
            assert!(fault.field == field && fault.message.contains(message), "{ranges:?}: {fault:?}");
        }
        let json = serde_json::json!(["08:00-12:00", "13:00-18:00"]);
        assert_eq!(serde_json::to_value(&hours).unwrap(), json);
        assert_eq!(serde_json::from_value::<Hours>(json).unwrap(), hours);
        assert!(serde_json::from_value::<Hours>(serde_json::json!(["x"])).is_err());
    }
}
