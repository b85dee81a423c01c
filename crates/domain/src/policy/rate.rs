use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::Fault;

/// At most `max` starts in any window of `per_s` seconds.
///
/// The generic cell rate algorithm. Its only state is the theoretical arrival time: one timestamp in a row that all replicas share. A tenth
/// of `max`, at least one, may start at once; the rest is spread over the window so that a burst and the starts after it never exceed
/// `max`. Under constant load a limit below 20 is used in full, a higher one by at least nine tenths.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Maximum number of starts in a window.
    pub max: u32,
    /// Length of the window in seconds.
    pub per_s: f64,
}

impl RateLimit {
    /// Upper bound of `max`.
    pub const MOST: u32 = 100_000;

    /// Every fault of the limit; fields are relative to it.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !(1..=Self::MOST).contains(&self.max) {
            faults.push(Fault::new("max", format!("must be 1 to {}", Self::MOST)));
        }
        if !(0.1..=86_400.0).contains(&self.per_s) {
            faults.push(Fault::new("per_s", "must be 0.1 to 86400 seconds"));
        }
        faults
    }

    /// Starts that may happen at once after an idle window.
    #[must_use]
    pub const fn burst(&self) -> u32 {
        if self.max < 20 { 1 } else { self.max / 10 }
    }

    /// Admits a start at `now` and returns the new theoretical arrival time; `tat` is the previous one. A `tat` further ahead than this
    /// limit can produce comes from another limit or a wrong clock, and is ignored.
    ///
    /// # Errors
    /// The time of the next allowed start.
    pub fn admit(&self, tat: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<DateTime<Utc>, DateTime<Utc>> {
        let interval = self.interval();
        let ahead = interval * i32::try_from(self.burst().saturating_sub(1)).unwrap_or(i32::MAX);
        let furthest = now + ahead + interval + self.period();
        let tat = tat.filter(|tat| *tat <= furthest).unwrap_or(now).max(now);
        let allowed_at = tat - ahead;
        if allowed_at <= now { Ok(tat + interval) } else { Err(allowed_at) }
    }

    /// Time between two starts under constant load, rounded up to the databases' resolution.
    fn interval(&self) -> TimeDelta {
        let starts = self.max.saturating_sub(self.burst()).saturating_add(1).max(1);
        micros(self.per_s / f64::from(starts))
    }

    fn period(&self) -> TimeDelta {
        micros(self.per_s)
    }
}

fn micros(seconds: f64) -> TimeDelta {
    // A number within the limit's bounds fits; the conversion saturates and takes NaN as 0.
    #[expect(clippy::cast_possible_truncation, reason = "at most a day in microseconds")]
    TimeDelta::microseconds((seconds.min(86_400.0) * 1e6).ceil() as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(micros: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(1_700_000_000_000_000 + micros).unwrap()
    }

    /// The requests that are admitted.
    fn admitted(limit: RateLimit, requests: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let mut tat = None;
        let mut starts = Vec::new();
        for request in requests {
            if let Ok(next) = limit.admit(tat, at(request)) {
                tat = Some(next);
                starts.push(request);
            }
        }
        starts
    }

    #[test]
    fn a_small_limit_is_spread_evenly_and_used_in_full() {
        let limit = RateLimit { max: 4, per_s: 2.0 };
        let every_ms = (0..6000).map(|ms| ms * 1000);
        assert_eq!(admitted(limit, every_ms).len(), 12);
        assert_eq!(admitted(limit, [0, 0, 499_999, 500_000, 500_000]), [0, 500_000]);
        let tat = limit.admit(None, at(0)).unwrap();
        assert_eq!(limit.admit(Some(tat), at(1)), Err(at(500_000)), "it says when");
    }

    #[test]
    fn a_tenth_of_a_large_limit_may_start_at_once() {
        let limit = RateLimit { max: 100, per_s: 60.0 };
        assert_eq!(admitted(limit, std::iter::repeat_n(0, 1000)).len(), 10);
        let every_10_ms = (0..60_000).map(|n| n * 10_000);
        let ten_minutes = admitted(limit, every_10_ms).len();
        assert!((900..=1000).contains(&ten_minutes), "{ten_minutes}");
        let rested = std::iter::repeat_n(0, 50).chain(std::iter::repeat_n(60_000_000, 50));
        assert_eq!(admitted(limit, rested).len(), 20, "a rest brings the burst back");
    }

    #[test]
    fn a_timestamp_of_another_limit_or_a_wrong_clock_does_not_block() {
        let limit = RateLimit { max: 1, per_s: 1.0 };
        assert_eq!(limit.admit(Some(at(86_400_000_000)), at(0)), Ok(at(1_000_000)));
        assert_eq!(limit.admit(Some(at(1_000_000)), at(0)), Err(at(1_000_000)));
        assert_eq!(limit.admit(Some(at(-86_400_000_000)), at(0)), Ok(at(1_000_000)));
    }

    #[test]
    fn bounds() {
        let fields = |max, per_s| RateLimit { max, per_s }.faults().into_iter().map(|fault| fault.field).collect::<Vec<_>>();
        assert_eq!(fields(1, 0.1), [""; 0]);
        assert_eq!(fields(100_000, 86_400.0), [""; 0]);
        assert_eq!(fields(0, 0.0), ["max", "per_s"]);
        assert_eq!(fields(100_001, 86_401.0), ["max", "per_s"]);
        assert_eq!(fields(1, f64::INFINITY), ["per_s"]);
    }

    proptest! {
        #[test]
        fn never_more_than_max_in_any_window(max in 1_u32..200, per_s in 0.1_f64..10.0, gaps in prop::collection::vec(0_i64..200_000, 1..800)) {
            let limit = RateLimit { max, per_s };
            let requests = gaps.iter().scan(0, |now, gap| { *now += gap; Some(*now) });
            let starts = admitted(limit, requests);
            prop_assert!(!starts.is_empty());
            let window = limit.period().num_microseconds().unwrap();
            for (first, start) in starts.iter().enumerate() {
                let inside = starts[first..].iter().take_while(|other| **other < start + window).count();
                prop_assert!(inside <= max as usize, "{inside} of {max} from {start}");
            }
        }

        #[test]
        fn the_returned_time_is_the_first_allowed_one(max in 1_u32..50, per_s in 0.1_f64..10.0, now in 0_i64..10_000_000) {
            let limit = RateLimit { max, per_s };
            let mut tat = None;
            while let Ok(next) = limit.admit(tat, at(now)) {
                tat = Some(next);
            }
            let next = limit.admit(tat, at(now)).unwrap_err();
            prop_assert!(limit.admit(tat, next).is_ok());
            prop_assert_eq!(limit.admit(tat, next - TimeDelta::microseconds(1)), Err(next));
        }
    }
}
