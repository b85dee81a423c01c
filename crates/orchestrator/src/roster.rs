//! A cache of who the workers are, and whether a principal speaks for one. It stands below the subjects, so that the writer, which checks who
//! reports, does not import those who register and pause workers.

mod holder;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use auth::Principal;
use domain::{Scope, ids::WorkerId};
use runtime::Failure;
use store::{
    Database, Error,
    workers::{Identity, worker_get, worker_list_known_unscoped},
};

pub(crate) use self::holder::{Known, check_holder, not_found};
use crate::watchers::Watchers;

/// A cache of who the workers are and which are paused, so that no job step asks the database. It is read again when workers have changed,
/// which is how it learns what other replicas did; what this replica did itself it has at once.
pub(crate) struct Roster {
    database: Database,
    known: RwLock<HashMap<WorkerId, Arc<Known>>>,
    paused: RwLock<HashSet<WorkerId>>,
    watchers: Watchers,
    /// Counts what this replica did itself: a read that began before does not undo it.
    changes: AtomicU64,
}

/// How often a read is done again that met a change of this replica.
const ATTEMPTS: usize = 4;

impl Roster {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, known: RwLock::default(), paused: RwLock::default(), watchers: Watchers::default(), changes: AtomicU64::new(0) }
    }

    /// A worker that was seen before.
    pub(crate) fn get(&self, id: WorkerId) -> Option<Arc<Known>> {
        self.known.read().ok()?.get(&id).cloned()
    }

    /// The worker, from the database when this replica has not seen it yet.
    pub(crate) async fn find(&self, id: WorkerId) -> Result<Option<Arc<Known>>, Error> {
        if let Some(known) = self.get(id) {
            return Ok(Some(known));
        }
        let Some(worker) = worker_get(&self.database, &Scope::All, id).await? else { return Ok(None) };
        Ok(Some(self.insert(id, worker.name, worker.credential)))
    }

    /// Checks that a principal speaks for this worker, without a query for one that was seen before.
    ///
    /// # Errors
    /// [`Failure::NotFound`] for a worker that is not there, [`Failure::Forbidden`] for another's.
    pub(crate) async fn check_speaker(&self, principal: &Principal, id: WorkerId) -> Result<(), Failure> {
        let known = self.find(id).await?.ok_or_else(|| not_found(id))?;
        check_holder(principal, id, Some(&known))
    }

    /// Takes in a worker that registered here.
    pub(crate) fn learn(&self, id: WorkerId, name: String, credential: Option<String>) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.insert(id, name, credential);
    }

    fn insert(&self, id: WorkerId, name: String, credential: Option<String>) -> Arc<Known> {
        let worker = Arc::new(Known { name, credential });
        if let Ok(mut known) = self.known.write() {
            known.insert(id, worker.clone());
        }
        worker
    }

    pub(crate) fn forget(&self, id: WorkerId) {
        if let Ok(mut known) = self.known.write() {
            known.remove(&id);
        }
        self.set_paused(id, false);
    }

    pub(crate) fn is_paused(&self, id: WorkerId) -> bool {
        self.paused.read().is_ok_and(|paused| paused.contains(&id))
    }

    pub(crate) fn set_paused(&self, id: WorkerId, paused: bool) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        if let Ok(mut all) = self.paused.write() {
            if paused {
                all.insert(id)
            } else {
                all.remove(&id)
            };
        }
        self.watchers.wake(id);
    }

    /// Reads again who the workers are.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let stamp = self.stamp();
            if self.read(stamp, worker_list_known_unscoped(&self.database).await?) {
                break;
            }
        }
        Ok(())
    }

    fn stamp(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Takes in what the database says, unless something was done here since `stamp`: `false` then.
    fn read(&self, stamp: u64, workers: Vec<Identity>) -> bool {
        let (Ok(mut known), Ok(mut all)) = (self.known.write(), self.paused.write()) else { return true };
        if self.stamp() != stamp {
            return false;
        }
        let paused = workers.iter().filter(|worker| worker.paused).map(|worker| worker.id).collect();
        all.symmetric_difference(&paused).for_each(|id| self.watchers.wake(*id));
        *all = paused;
        let entry = |worker: Identity| (worker.id, Arc::new(Known { name: worker.name, credential: worker.credential }));
        *known = workers.into_iter().map(entry).collect();
        true
    }

    /// Waits until the worker is (or is not) paused. Cancel-safe.
    pub(crate) async fn until_paused(&self, id: WorkerId, paused: bool) {
        let mut watch = self.watchers.watch(id);
        while self.is_paused(id) != paused {
            watch.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn an_old_read_does_not_undo_what_was_done_here() {
        let database = Database::connect(&store::Settings::new("sqlite::memory:")).await.unwrap();
        let (roster, id) = (Roster::new(database), Uuid::now_v7());
        let stamp = roster.stamp();
        roster.learn(id, "w".to_owned(), None);
        roster.set_paused(id, true);
        assert!(!roster.read(stamp, Vec::new()));
        assert!(roster.is_paused(id) && roster.get(id).is_some());
        assert!(roster.read(roster.stamp(), Vec::new()));
        assert!(!roster.is_paused(id) && roster.get(id).is_none(), "another replica gave its name away");
    }
}
