use chrono::{NaiveTime, Timelike};

use super::zone::DAY_S;

/// Hours of a day in which a schedule fires, also across midnight. It begins with its first second and ends before its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first second.
    pub start: NaiveTime,
    /// The second after its last; earlier than `start`: on the next day.
    pub end: NaiveTime,
}

impl Window {
    /// The first local time in it, not before `local`.
    pub(super) fn next(self, local: i64) -> i64 {
        let (start, end) = (i64::from(self.start.num_seconds_from_midnight()), i64::from(self.end.num_seconds_from_midnight()));
        let second = local.rem_euclid(DAY_S);
        let inside = if start < end { (start..end).contains(&second) } else { second >= start || second < end };
        if inside {
            return local;
        }
        let midnight = local - second;
        if second < start { midnight + start } else { midnight + DAY_S + start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_with_its_first_second_and_ends_before_its_last() {
        let window = |start: &str, end: &str| Window { start: start.parse().unwrap(), end: end.parse().unwrap() };
        let at = |hour: i64, minute: i64, second: i64| hour * 3600 + minute * 60 + second;
        let day = window("08:00:00", "18:00:00");
        for (local, next) in [(at(7, 59, 59), at(8, 0, 0)), (at(8, 0, 0), at(8, 0, 0)), (at(17, 59, 59), at(17, 59, 59))] {
            assert_eq!(day.next(local), next);
        }
        assert_eq!(day.next(at(18, 0, 0)), DAY_S + at(8, 0, 0));
        let night = window("22:00:00", "07:00:00");
        for inside in [at(22, 0, 0), at(23, 59, 30), 0, at(6, 59, 59)] {
            assert_eq!(night.next(inside), inside);
        }
        assert_eq!(night.next(at(7, 0, 0)), at(22, 0, 0));
        assert_eq!(night.next(-1), -1, "before 1970 too");
    }
}
