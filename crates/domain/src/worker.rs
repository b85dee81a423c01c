//! Workers: their state, and who owns a name.

mod name;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::name::{NameVerdict, Process, Standing, judge_name};
use crate::wire::wire_names;

wire_names! {
    /// State of a worker.
    pub enum State as "WorkerState" {
        /// Alive; takes jobs.
        Running = "running",
        /// Alive; finishes its jobs and takes no new ones.
        Paused = "paused",
        /// Signed off.
        Stopped = "stopped",
        /// No heartbeat for longer than a lease lasts.
        Lost = "lost",
    }
}

impl State {
    /// Whether the worker is alive.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// The timestamps that determine a worker's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When its last heartbeat arrived.
    pub last_seen_at: DateTime<Utc>,
    /// When it was paused; kept across restarts of the worker until somebody resumes it.
    pub paused_at: Option<DateTime<Utc>>,
    /// When it signed off.
    pub stopped_at: Option<DateTime<Utc>>,
}

impl Life {
    /// The worker's state: stopped takes precedence over lost, lost over paused.
    #[must_use]
    pub fn state(&self, lease: TimeDelta, now: DateTime<Utc>) -> State {
        if self.stopped_at.is_some() {
            State::Stopped
        } else if self.last_seen_at < lost_before(lease, now) {
            State::Lost
        } else if self.paused_at.is_some() {
            State::Paused
        } else {
            State::Running
        }
    }
}

/// Workers whose last heartbeat is older than this are lost.
#[must_use]
pub fn lost_before(lease: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
    now.checked_sub_signed(lease).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_determine_the_state() {
        let at = |second: i64| DateTime::from_timestamp(second, 0).unwrap();
        let lease = TimeDelta::seconds(30);
        for (seen, paused, stopped, expected) in [
            (100, None, None, State::Running),
            (70, None, None, State::Running),
            (69, None, None, State::Lost),
            (100, Some(5), None, State::Paused),
            (69, Some(5), None, State::Lost),
            (100, None, Some(100), State::Stopped),
            (100, Some(5), Some(100), State::Stopped),
            (1, None, Some(1), State::Stopped),
        ] {
            let life = Life { last_seen_at: at(seen), paused_at: paused.map(at), stopped_at: stopped.map(at) };
            assert_eq!(life.state(lease, at(100)), expected, "{life:?}");
        }
    }

    #[test]
    fn an_unlimited_lease_loses_no_worker() {
        let now = DateTime::from_timestamp(100, 0).unwrap();
        let life = Life { last_seen_at: now, paused_at: None, stopped_at: None };
        assert_eq!(life.state(TimeDelta::MAX, now), State::Running);
    }
}
