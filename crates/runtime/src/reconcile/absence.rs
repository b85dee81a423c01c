//! Detection of a replica's absence. A replica that was suspended or cut off from the database could not receive heartbeats, so it must
//! give workers the time of a lease before it declares any of them lost.

use std::time::{Duration, Instant, SystemTime};

/// Absence of one loop.
pub(super) struct Attendance {
    /// When it last reached the database.
    there: (Instant, SystemTime),
    judges_from: Instant,
    lease: Duration,
    /// It was absent when that is longer ago.
    patience: Duration,
}

impl Attendance {
    /// For a loop that runs every `pause`. `returns`: no hub was alive before it started.
    pub(super) fn new(pause: Duration, lease: Duration, returns: bool, now: (Instant, SystemTime)) -> Self {
        let judges_from = if returns { now.0 + lease } else { now.0 };
        Self { there: now, judges_from, lease, patience: pause + lease / 2 }
    }

    /// Records that it reached the database.
    pub(super) const fn was_there(&mut self, now: (Instant, SystemTime)) {
        self.there = now;
    }

    /// Whether workers have had the time of a lease. Both clocks are compared, because the monotonic one may stop while a machine is
    /// suspended.
    pub(super) fn may_judge(&mut self, now: (Instant, SystemTime)) -> bool {
        let away = now.0.saturating_duration_since(self.there.0).max(now.1.duration_since(self.there.1).unwrap_or_default());
        if away > self.patience {
            if now.0 >= self.judges_from {
                tracing::warn!(
                    away_s = away.as_secs_f64(),
                    "this hub was suspended or cut off; it waits for the time of a lease before it declares workers lost"
                );
            }
            self.judges_from = now.0 + self.lease;
        }
        now.0 >= self.judges_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lease is 30 s and the loop runs every second.
    fn presence(returns: bool) -> (Attendance, impl Fn(u64, u64) -> (Instant, SystemTime)) {
        let start = (Instant::now(), SystemTime::now());
        let at = move |elapsed, wall| (start.0 + Duration::from_secs(elapsed), start.1 + Duration::from_secs(wall));
        (Attendance::new(Duration::from_secs(1), Duration::from_secs(30), returns, start), at)
    }

    #[test]
    fn without_an_absence_it_judges() {
        let (mut presence, at) = presence(false);
        for second in 1..100 {
            assert!(presence.may_judge(at(second, second)), "{second}");
            presence.was_there(at(second, second));
        }
    }

    #[test]
    fn after_an_absence_workers_get_the_time_of_a_lease() {
        // A stopped process, a suspended machine, a clock that is set.
        for (elapsed, wall) in [(60, 60), (1, 60), (60, 1)] {
            let (mut presence, at) = presence(false);
            assert!(!presence.may_judge(at(elapsed, wall)));
            presence.was_there(at(elapsed, wall));
            for second in 1..30 {
                assert!(!presence.may_judge(at(elapsed + second, wall + second)), "{elapsed} {wall}");
                presence.was_there(at(elapsed + second, wall + second));
            }
            assert!(presence.may_judge(at(elapsed + 30, wall + 30)), "{elapsed} {wall}");
        }
    }

    #[test]
    fn the_time_counts_from_when_the_database_is_back() {
        let (mut presence, at) = presence(false);
        let judged: Vec<u64> = (1..200)
            .filter(|second| {
                let judges = presence.may_judge(at(*second, *second));
                if !(20..=100).contains(second) {
                    presence.was_there(at(*second, *second));
                }
                judges
            })
            .collect();
        // Out of reach from 20 s to 100 s: for half a lease nothing tells it from a slow one.
        assert_eq!((judged.iter().find(|second| **second > 35), judged.last()), (Some(&131), Some(&199)));
    }

    #[test]
    fn so_do_they_after_a_start_without_another_hub() {
        let (mut presence, at) = presence(true);
        assert!(!presence.may_judge(at(1, 1)));
        for second in 1..31 {
            presence.was_there(at(second, second));
        }
        assert!(presence.may_judge(at(30, 30)));
    }
}
