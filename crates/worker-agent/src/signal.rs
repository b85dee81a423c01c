//! Signals to a run: stop, pause, resume. They are states and not events, so that a run that starts late sees what was requested before.

use tokio::sync::watch;

/// Why a run must stop before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its cancellation was requested at the hub.
    Cancel,
    /// The worker has lost the job's lease; nothing more is reported.
    Stale,
    /// The worker stops.
    Shutdown,
}

/// Signals a run to stop.
#[derive(Clone, Debug)]
pub struct StopSignal(watch::Receiver<Option<Stop>>);

impl StopSignal {
    /// Waits until the run must stop. Cancel safe.
    pub async fn stopped(&mut self) -> Stop {
        if let Ok(stop) = self.0.wait_for(Option::is_some).await
            && let Some(stop) = *stop
        {
            return stop;
        }
        std::future::pending().await
    }

    /// Waits until the reason changes: a lost lease overrides the others. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Why the run must stop, if it must.
    #[must_use]
    pub fn now(&self) -> Option<Stop> {
        *self.0.borrow()
    }
}

/// Sender of a [`StopSignal`].
#[derive(Clone, Debug)]
pub(crate) struct Stopper(watch::Sender<Option<Stop>>);

impl Stopper {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(crate) fn signal(&self) -> StopSignal {
        StopSignal(self.0.subscribe())
    }

    /// Requests a stop. The first reason stays, except that a lost lease overrides every other: then nothing may be reported.
    pub(crate) fn stop(&self, stop: Stop) {
        self.0.send_if_modified(|current| {
            let new = current.is_none() || (stop == Stop::Stale && *current != Some(Stop::Stale));
            if new {
                *current = Some(stop);
            }
            new
        });
    }

    pub(crate) fn now(&self) -> Option<Stop> {
        *self.0.borrow()
    }
}

/// Signals a run to suspend or resume.
#[derive(Clone, Debug)]
pub struct PauseSignal(watch::Receiver<bool>);

impl PauseSignal {
    /// Waits until the run must be suspended (`true`) or running (`false`); returns at once if it already is. Cancel safe.
    pub async fn becomes(&mut self, paused: bool) {
        if self.0.wait_for(|now| *now == paused).await.is_err() {
            std::future::pending().await
        }
    }
}

/// Sender of a [`PauseSignal`].
#[derive(Clone, Debug)]
pub(crate) struct Pauser(watch::Sender<bool>);

impl Pauser {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn signal(&self) -> PauseSignal {
        PauseSignal(self.0.subscribe())
    }

    /// Sets the state. Returns whether it changed.
    pub(crate) fn set(&self, paused: bool) -> bool {
        self.0.send_if_modified(|now| std::mem::replace(now, paused) != paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_lease_overrides_other_reasons() {
        let stopper = Stopper::new();
        stopper.stop(Stop::Cancel);
        stopper.stop(Stop::Shutdown);
        assert_eq!(stopper.now(), Some(Stop::Cancel));
        stopper.stop(Stop::Stale);
        assert_eq!(stopper.signal().now(), Some(Stop::Stale));
    }
}
