//! The jobs that this worker holds, with their leases and their stop and pause signals.
//!
//! A job is held from before its start until the hub has its end, and at most once: this is what makes a redelivered message or a repeated
//! claim harmless. Holding ends with a guard, never by hand. Heartbeats and claims list what is here, so an entry that stayed too long
//! would keep a lease alive for nothing.

use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use api_types::HeldJob;
use domain::ids::JobId;
use uuid::Uuid;

use crate::signal::{PauseSignal, Pauser, Stop, StopSignal, Stopper};

/// The held jobs: those that run, and those whose end the hub has not received.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<Mutex<HashMap<JobId, Entry>>>);

struct Entry {
    lease: Option<Uuid>,
    stopper: Stopper,
    pauser: Pauser,
    /// When a control message last paused or resumed it.
    controlled_at: Option<Instant>,
}

/// Holds one job until it is dropped.
pub(crate) struct Hold {
    held: Held,
    job: JobId,
    pub(crate) stopper: Stopper,
    pauser: Pauser,
}

impl Held {
    fn map(&self) -> MutexGuard<'_, HashMap<JobId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when this worker holds the job already.
    pub(crate) fn hold(&self, job: JobId, lease: Option<Uuid>) -> Option<Hold> {
        let (stopper, pauser) = (Stopper::new(), Pauser::new());
        let entry = Entry { lease, stopper: stopper.clone(), pauser: pauser.clone(), controlled_at: None };
        match self.map().entry(job) {
            hash_map::Entry::Occupied(_) => return None,
            hash_map::Entry::Vacant(place) => drop(place.insert_entry(entry)),
        }
        Some(Hold { held: self.clone(), job, stopper, pauser })
    }

    pub(crate) fn ids(&self) -> Vec<JobId> {
        self.map().keys().copied().collect()
    }

    pub(crate) fn contains(&self, job: JobId) -> bool {
        self.map().contains_key(&job)
    }

    /// Whether this worker holds the job and has its lease.
    pub(crate) fn is_started(&self, job: JobId) -> bool {
        self.map().get(&job).is_some_and(|entry| entry.lease.is_some())
    }

    pub(crate) fn leases(&self) -> Vec<HeldJob> {
        self.map().iter().filter_map(|(job, entry)| Some(HeldJob { job_id: *job, lease_token: entry.lease? })).collect()
    }

    pub(crate) fn stop(&self, job: JobId, stop: Stop) {
        if let Some(entry) = self.map().get(&job) {
            entry.stopper.stop(stop);
        }
    }

    /// Pauses or resumes a job now. Returns whether that changed anything.
    pub(crate) fn pause(&self, job: JobId, paused: bool) -> bool {
        self.map().get_mut(&job).is_some_and(|entry| {
            entry.controlled_at = Some(Instant::now());
            entry.pauser.set(paused)
        })
    }

    /// Brings `jobs` to the state that the hub had at `asked`: those in `paused` are paused, the others run. A change by a later control
    /// message stays. Returns the jobs that changed, and whether they are paused now.
    pub(crate) fn reconcile(&self, jobs: &[HeldJob], paused: &[JobId], asked: Instant) -> Vec<(JobId, bool)> {
        let mut map = self.map();
        let change = |job: &HeldJob| {
            let entry = map.get_mut(&job.job_id)?;
            let is_paused = paused.contains(&job.job_id);
            let outdated = entry.lease != Some(job.lease_token) || entry.controlled_at.is_some_and(|at| at >= asked);
            (!outdated && entry.pauser.set(is_paused)).then_some((job.job_id, is_paused))
        };
        jobs.iter().filter_map(change).collect()
    }

    pub(crate) fn stop_all(&self, stop: Stop) {
        for entry in self.map().values() {
            entry.stopper.stop(stop);
        }
    }
}

impl Hold {
    pub(crate) const fn job(&self) -> JobId {
        self.job
    }

    pub(crate) fn signals(&self) -> (StopSignal, PauseSignal) {
        (self.stopper.signal(), self.pauser.signal())
    }

    pub(crate) fn set_lease(&self, lease: Uuid) {
        if let Some(entry) = self.held.map().get_mut(&self.job) {
            entry.lease = Some(lease);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.map().remove(&self.job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_sets_the_state_of_its_jobs_unless_a_control_message_came_later() {
        let held = Held::default();
        let [one, two] = [1, 2].map(|id| JobId::new(Uuid::from_u128(id)));
        let lease = Uuid::from_u128(9);
        let holds = [held.hold(one, Some(lease)).unwrap(), held.hold(two, Some(lease)).unwrap()];
        let jobs = held.leases();
        let asked = Instant::now();
        assert_eq!(held.reconcile(&jobs, &[one], asked), [(one, true)]);
        assert!(held.reconcile(&jobs, &[one], asked).is_empty(), "nothing new");
        assert!(held.pause(two, true) && held.pause(one, false));
        assert!(held.reconcile(&jobs, &[one], asked).is_empty(), "the control messages are newer");
        let mut changed = held.reconcile(&jobs, &[one], Instant::now() + std::time::Duration::from_millis(1));
        changed.sort();
        assert_eq!(changed, [(one, true), (two, false)]);
        let other = HeldJob { job_id: one, lease_token: Uuid::from_u128(8) };
        let later = Instant::now() + std::time::Duration::from_millis(2);
        assert!(held.reconcile(&[other], &[], later).is_empty(), "an older lease does not concern this run");
        drop(holds);
    }
}
