use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use api_types::HeldJob;
use uuid::Uuid;

use crate::job::{Stop, Stopper};

/// The jobs that this worker holds: those that run, and those whose end the hub does not have yet.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<Mutex<HashMap<Uuid, Entry>>>);

struct Entry {
    lease: Option<Uuid>,
    stopper: Stopper,
}

/// Holds one job until it is dropped.
pub(crate) struct Hold {
    held: Held,
    job: Uuid,
    pub(crate) stopper: Stopper,
}

impl Held {
    fn map(&self) -> MutexGuard<'_, HashMap<Uuid, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when this worker holds the job already.
    pub(crate) fn hold(&self, job: Uuid, lease: Option<Uuid>) -> Option<Hold> {
        let stopper = Stopper::new();
        match self.map().entry(job) {
            hash_map::Entry::Occupied(_) => return None,
            hash_map::Entry::Vacant(place) => drop(place.insert_entry(Entry { lease, stopper: stopper.clone() })),
        }
        Some(Hold { held: self.clone(), job, stopper })
    }

    pub(crate) fn ids(&self) -> Vec<Uuid> {
        self.map().keys().copied().collect()
    }

    pub(crate) fn contains(&self, job: Uuid) -> bool {
        self.map().contains_key(&job)
    }

    pub(crate) fn leases(&self) -> Vec<HeldJob> {
        self.map().iter().filter_map(|(job, entry)| Some(HeldJob { job_id: *job, lease_token: entry.lease? })).collect()
    }

    pub(crate) fn stop(&self, job: Uuid, stop: Stop) {
        if let Some(entry) = self.map().get(&job) {
            entry.stopper.stop(stop);
        }
    }

    pub(crate) fn stop_all(&self, stop: Stop) {
        for entry in self.map().values() {
            entry.stopper.stop(stop);
        }
    }
}

impl Hold {
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
