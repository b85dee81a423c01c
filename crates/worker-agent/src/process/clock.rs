//! The time-out of a program. It counts running time only: a paused job must not time out.

use std::time::Duration;

use tokio::time::Instant;

/// The time-out clock of a program, stopped while the program is suspended.
pub(super) struct Clock {
    /// Time left when the clock last started; `None`: no limit.
    left: Option<Duration>,
    /// When the clock last started; `None` while it is stopped.
    since: Option<Instant>,
}

impl Clock {
    /// Starts at `now`. 0 means no limit.
    pub(super) fn new(timeout_s: u32, now: Instant) -> Self {
        let left = (timeout_s > 0).then(|| Duration::from_secs(timeout_s.into()));
        Self { left, since: Some(now) }
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.since.is_none()
    }

    pub(super) fn pause(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.left = self.left.map(|left| left.saturating_sub(now.duration_since(since)));
        }
    }

    pub(super) fn resume(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// When the time-out expires; `None` without a limit and while the clock is stopped.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since?.checked_add(self.left?)
    }

    /// Waits until the time-out expires. Cancel safe.
    pub(super) async fn over(&self) {
        match self.deadline() {
            None => std::future::pending().await,
            Some(deadline) => tokio::time::sleep_until(deadline).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_do_not_count() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut clock = Clock::new(10, start);
        assert_eq!(clock.deadline(), Some(at(10)));
        clock.pause(at(4));
        assert!(clock.is_paused());
        assert_eq!(clock.deadline(), None);
        clock.pause(at(50));
        clock.resume(at(100));
        clock.resume(at(101));
        assert_eq!(clock.deadline(), Some(at(106)));
        clock.pause(at(200));
        clock.resume(at(300));
        assert_eq!(clock.deadline(), Some(at(300)), "nothing was left");
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(Clock::new(0, Instant::now()).deadline(), None);
    }
}
