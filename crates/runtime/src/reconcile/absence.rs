//! Whether a replica was present all the time. One that was stopped, suspended or cut off from the database could not hear of the workers:
//! before it judges them it gives them the time of a lease.

use std::time::{Duration, Instant, SystemTime};

/// What one loop knows about its own absence.
pub(super) struct Attendance {
    /// When it last had to do with the database.
    there: (Instant, SystemTime),
    judges_from: Instant,
    lease: Duration,
    /// It is absent when that was longer ago.
    patience: Duration,
}

impl Attendance {
    /// Of a loop that runs every `pause`. `returns`: no hub was there before it started.
    pub(super) fn new(pause: Duration, lease: Duration, returns: bool, now: (Instant, SystemTime)) -> Self {
        let judges_from = if returns { now.0 + lease } else { now.0 };
        Self { there: now, judges_from, lease, patience: pause + lease / 2 }
    }

    /// It reached the database.
    pub(super) const fn was_there(&mut self, now: (Instant, SystemTime)) {
        self.there = now;
    }

    /// Whether workers have had their time. An absence shows on either clock: that of a suspended machine may stop.
    pub(super) fn may_judge(&mut self, now: (Instant, SystemTime)) -> bool {
        let away = now.0.saturating_duration_since(self.there.0).max(now.1.duration_since(self.there.1).unwrap_or_default());
        if away > self.patience {
            if now.0 >= self.judges_from {
                tracing::warn!(away_s = away.as_secs_f64(), "this hub was away; workers get the time of a lease before it judges them");
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
    fn who_was_there_judges() {
        let (mut presence, at) = presence(false);
        for second in 1..100 {
            assert!(presence.may_judge(at(second, second)), "{second}");
            presence.was_there(at(second, second));
        }
    }

    #[test]
    fn after_an_absence_workers_get_a_lease() {
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
    fn it_counts_from_when_the_database_is_back() {
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
    fn so_they_do_after_a_start_when_no_hub_was_there() {
        let (mut presence, at) = presence(true);
        assert!(!presence.may_judge(at(1, 1)));
        for second in 1..31 {
            presence.was_there(at(second, second));
        }
        assert!(presence.may_judge(at(30, 30)));
    }
}
