use std::time::Duration;

use rand::RngExt as _;

/// Waits that double, with jitter, up to a limit.
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(200);

    pub(crate) const fn new(max: Duration) -> Self {
        Self { next: Self::FIRST, max }
    }

    /// The next wait: between half and the whole of the current step, never less than `at_least` (the server's `Retry-After`).
    pub(crate) fn step(&mut self, at_least: Option<Duration>) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.max);
        let jittered = whole.mul_f64(rand::rng().random_range(0.5..=1.0));
        jittered.max(at_least.unwrap_or_default())
    }

    pub(crate) const fn reset(&mut self) {
        self.next = Self::FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        let waits: Vec<_> = (0..10).map(|_| backoff.step(None)).collect();
        assert!(waits[0] <= Duration::from_millis(200));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(1)));
        assert!(waits[9] >= Duration::from_millis(500));
        assert_eq!(backoff.step(Some(Duration::from_secs(7))), Duration::from_secs(7));
        backoff.reset();
        assert!(backoff.step(None) <= Duration::from_millis(200));
    }
}
