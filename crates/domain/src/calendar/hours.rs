use chrono::{NaiveTime, Timelike};

const DAY_S: i64 = 86_400;

/// Working hours of a day: ranges that do not touch, in order. A range begins with its first second and ends before its last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours(Vec<(i64, i64)>);

/// A range that ends before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must end after it begins")]
pub struct InvalidHours;

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
                return Err(InvalidHours);
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
        assert_eq!(between(&[("12:00:00", "12:00:00")]), Err(InvalidHours));
        assert_eq!(between(&[("22:00:00", "06:00:00")]), Err(InvalidHours));
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
}
