//! Waits between failing attempts.

use std::time::Duration;

/// The first and shortest wait.
const MIN: Duration = Duration::from_millis(100);

/// The longest wait.
pub(crate) const MAX: Duration = Duration::from_secs(5);

/// Doubling waits from [`MIN`] to [`MAX`], with jitter, so that replicas do not reconnect at the same moment.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempt: u32,
}

impl Backoff {
    /// The next wait. `jitter` is in `0.0..1.0` and shortens the wait by up to half.
    pub(crate) fn next(&mut self, jitter: f64) -> Duration {
        let doubled = MIN.saturating_mul(2_u32.saturating_pow(self.attempt));
        self.attempt = self.attempt.saturating_add(1);
        let ceiling = doubled.min(MAX);
        ceiling.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0).max(MIN)
    }

    /// Starts over if the attempt lasted at least [`MAX`]; one that failed sooner counts as a failure.
    pub(crate) fn reset_after(&mut self, lasted: Duration) {
        if lasted >= MAX {
            self.attempt = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..8).map(|_| backoff.next(0.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    #[test]
    fn jitter_shortens_by_at_most_half_and_never_below_the_first_wait() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(1.0), MIN);
        assert_eq!(backoff.next(1.0), MIN);
        assert_eq!(backoff.next(1.0).as_millis(), 200);
    }

    #[test]
    fn never_overflows() {
        let mut backoff = Backoff { attempt: u32::MAX };
        assert_eq!(backoff.next(0.0), MAX);
        assert_eq!(backoff.next(0.0), MAX);
    }

    #[test]
    fn starts_over_only_after_an_attempt_that_lasted() {
        let mut backoff = Backoff { attempt: 4 };
        backoff.reset_after(Duration::from_millis(10));
        assert_eq!(backoff.attempt, 4);
        backoff.reset_after(MAX);
        assert_eq!(backoff.attempt, 0);
    }
}
