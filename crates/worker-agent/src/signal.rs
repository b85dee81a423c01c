//! What the hub or the host wants of a run.

use tokio::sync::watch;

/// Why a run has to stop before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody asked for it at the hub.
    Cancel,
    /// The worker has lost the job's lease; nothing is reported.
    Stale,
    /// The worker itself stops.
    Shutdown,
}

/// Tells a run that it has to stop.
#[derive(Clone, Debug)]
pub struct StopSignal(watch::Receiver<Option<Stop>>);

impl StopSignal {
    /// Waits until the run has to stop, for ever when it need not. Cancel safe.
    pub async fn stopped(&mut self) -> Stop {
        if let Ok(stop) = self.0.wait_for(Option::is_some).await
            && let Some(stop) = *stop
        {
            return stop;
        }
        std::future::pending().await
    }

    /// Waits until the reason changes: a lost lease beats the others. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Why the run has to stop, if it has to.
    #[must_use]
    pub fn now(&self) -> Option<Stop> {
        *self.0.borrow()
    }
}

/// The other end of a [`StopSignal`].
#[derive(Clone, Debug)]
pub(crate) struct Stopper(watch::Sender<Option<Stop>>);

impl Stopper {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(crate) fn signal(&self) -> StopSignal {
        StopSignal(self.0.subscribe())
    }

    /// The first reason stays, but a lost lease beats every other: then nothing may be reported.
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

/// Tells a run whether it has to stand still.
#[derive(Clone, Debug)]
pub struct PauseSignal(watch::Receiver<bool>);

impl PauseSignal {
    /// Waits until the run has to stand still (`true`) or to go on (`false`), not at all when that is so. Cancel safe.
    pub async fn becomes(&mut self, paused: bool) {
        if self.0.wait_for(|now| *now == paused).await.is_err() {
            std::future::pending().await
        }
    }
}

/// The other end of a [`PauseSignal`].
#[derive(Clone, Debug)]
pub(crate) struct Pauser(watch::Sender<bool>);

impl Pauser {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn signal(&self) -> PauseSignal {
        PauseSignal(self.0.subscribe())
    }

    /// Whether that is new.
    pub(crate) fn set(&self, paused: bool) -> bool {
        self.0.send_if_modified(|now| std::mem::replace(now, paused) != paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_lease_beats_other_reasons() {
        let stopper = Stopper::new();
        stopper.stop(Stop::Cancel);
        stopper.stop(Stop::Shutdown);
        assert_eq!(stopper.now(), Some(Stop::Cancel));
        stopper.stop(Stop::Stale);
        assert_eq!(stopper.signal().now(), Some(Stop::Stale));
    }
}
