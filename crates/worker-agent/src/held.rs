use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use api_types::HeldJob;
use uuid::Uuid;

use crate::signal::{PauseSignal, Pauser, Stop, StopSignal, Stopper};

/// The jobs that this worker holds: those that run, and those whose end the hub does not have yet.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<Mutex<HashMap<Uuid, Entry>>>);

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
    job: Uuid,
    pub(crate) stopper: Stopper,
    pauser: Pauser,
}

impl Held {
    fn map(&self) -> MutexGuard<'_, HashMap<Uuid, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when this worker holds the job already.
    pub(crate) fn hold(&self, job: Uuid, lease: Option<Uuid>) -> Option<Hold> {
        let (stopper, pauser) = (Stopper::new(), Pauser::new());
        let entry = Entry { lease, stopper: stopper.clone(), pauser: pauser.clone(), controlled_at: None };
        match self.map().entry(job) {
            hash_map::Entry::Occupied(_) => return None,
            hash_map::Entry::Vacant(place) => drop(place.insert_entry(entry)),
        }
        Some(Hold { held: self.clone(), job, stopper, pauser })
    }

    pub(crate) fn ids(&self) -> Vec<Uuid> {
        self.map().keys().copied().collect()
    }

    pub(crate) fn contains(&self, job: Uuid) -> bool {
        self.map().contains_key(&job)
    }

    /// Whether this worker holds the job and has its lease.
    pub(crate) fn is_started(&self, job: Uuid) -> bool {
        self.map().get(&job).is_some_and(|entry| entry.lease.is_some())
    }

    pub(crate) fn leases(&self) -> Vec<HeldJob> {
        self.map().iter().filter_map(|(job, entry)| Some(HeldJob { job_id: *job, lease_token: entry.lease? })).collect()
    }

    pub(crate) fn stop(&self, job: Uuid, stop: Stop) {
        if let Some(entry) = self.map().get(&job) {
            entry.stopper.stop(stop);
        }
    }

    /// Pauses or resumes a job now. Whether that changes anything.
    pub(crate) fn pause(&self, job: Uuid, paused: bool) -> bool {
        self.map().get_mut(&job).is_some_and(|entry| {
            entry.controlled_at = Some(Instant::now());
            entry.pauser.set(paused)
        })
    }

    /// Brings `jobs` to the state that the hub knew at `asked`: those in `paused` stand still, the others run. What a control message has
    /// said since is younger and stays. Gives the jobs that changed, and whether they stand still now.
    pub(crate) fn level(&self, jobs: &[HeldJob], paused: &[Uuid], asked: Instant) -> Vec<(Uuid, bool)> {
        let mut map = self.map();
        let change = |job: &HeldJob| {
            let entry = map.get_mut(&job.job_id)?;
            let stands_still = paused.contains(&job.job_id);
            let outdated = entry.lease != Some(job.lease_token) || entry.controlled_at.is_some_and(|at| at >= asked);
            (!outdated && entry.pauser.set(stands_still)).then_some((job.job_id, stands_still))
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
    pub(crate) const fn job(&self) -> Uuid {
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
    fn a_heartbeat_sets_what_it_asked_about_unless_a_control_message_came_later() {
        let held = Held::default();
        let (one, two, lease) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(9));
        let holds = [held.hold(one, Some(lease)).unwrap(), held.hold(two, Some(lease)).unwrap()];
        let jobs = held.leases();
        let asked = Instant::now();
        assert_eq!(held.level(&jobs, &[one], asked), [(one, true)]);
        assert!(held.level(&jobs, &[one], asked).is_empty(), "nothing new");
        assert!(held.pause(two, true) && held.pause(one, false));
        assert!(held.level(&jobs, &[one], asked).is_empty(), "the control messages are younger");
        let mut changed = held.level(&jobs, &[one], Instant::now() + std::time::Duration::from_millis(1));
        changed.sort();
        assert_eq!(changed, [(one, true), (two, false)]);
        let other = HeldJob { job_id: one, lease_token: Uuid::from_u128(8) };
        let later = Instant::now() + std::time::Duration::from_millis(2);
        assert!(held.level(&[other], &[], later).is_empty(), "an older lease says nothing about this run");
        drop(holds);
    }
}
