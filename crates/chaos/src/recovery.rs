use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::Serialize;

use crate::{faults::Kind, world::LEASE};

/// Limit of every recovery.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Measurement after a fault.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    #[serde(serialize_with = "name")]
    pub(crate) kind: Kind,
    pub(crate) seconds: f64,
    /// Another fault overlapped, so the figure says little about this kind.
    pub(crate) overlapped: bool,
}

fn name<S: serde::Serializer>(kind: &Kind, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(kind.name())
}

/// Counts faults and records recovery times.
#[derive(Default)]
pub(crate) struct Recoveries {
    counts: Mutex<BTreeMap<Kind, usize>>,
    measured: Mutex<Vec<Measured>>,
    /// Faults of services that have begun, and that have ended.
    begun: AtomicUsize,
    over: AtomicUsize,
}

impl Recoveries {
    pub(crate) fn count(&self, kind: Kind) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    pub(crate) fn note(&self, kind: Kind, time: Duration, overlapped: bool) {
        let measured = Measured { kind, seconds: time.as_secs_f64(), overlapped };
        self.measured.lock().unwrap_or_else(PoisonError::into_inner).push(measured);
    }

    pub(crate) fn service_breaks(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn service_is_well(&self) {
        self.over.fetch_add(1, Ordering::SeqCst);
    }

    /// A mark for [`Recoveries::overlapped_since`].
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.begun.load(Ordering::SeqCst), self.over.load(Ordering::SeqCst))
    }

    /// Whether a service was broken at `mark` or since.
    pub(crate) fn overlapped_since(&self, mark: (usize, usize)) -> bool {
        mark.0 != mark.1 || self.begun.load(Ordering::SeqCst) != mark.0
    }

    pub(crate) fn counts(&self) -> BTreeMap<Kind, usize> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn measured(&self) -> Vec<Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Limit of the kind's recovery without overlapping faults.
pub(crate) const fn target(kind: Kind) -> Option<Duration> {
    match kind {
        Kind::KillHub | Kind::DrainHub | Kind::KillBothHubs | Kind::KillBroker | Kind::KillDatabase | Kind::KillBrokerAndDatabase => {
            Some(Duration::from_secs(10))
        }
        Kind::KillGateway | Kind::KillBothGateways | Kind::RestartInTurn => Some(Duration::from_secs(10)),
        // What a killed one has claimed is taken over after 20 s.
        Kind::KillScheduler | Kind::DrainScheduler | Kind::KillBothSchedulers => Some(Duration::from_secs(25)),
        Kind::LoseAgent => Some(LEASE.saturating_add(Duration::from_secs(5))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_broken_meanwhile_is_known() {
        let recoveries = Recoveries::default();
        let calm = recoveries.mark();
        assert!(!recoveries.overlapped_since(calm));
        recoveries.service_breaks();
        assert!(recoveries.overlapped_since(calm));
        let broken = recoveries.mark();
        recoveries.service_is_well();
        assert!(recoveries.overlapped_since(broken), "broken when it began");
        assert!(!recoveries.overlapped_since(recoveries.mark()));
    }
}
