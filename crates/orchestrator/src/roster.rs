//! A cache of the workers' identities and pauses, and the check whether a principal acts for a worker. It is below the subjects, so that
//! the writer, which checks reports, does not import the code that registers and pauses workers.

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

/// Cached identities and pauses of workers, so that no job step queries the database. It is refreshed when the workers' change counter
/// differs; changes of this replica are visible at once.
pub(crate) struct Roster {
    database: Database,
    known: RwLock<HashMap<WorkerId, Arc<Known>>>,
    paused: RwLock<HashSet<WorkerId>>,
    watchers: Watchers<WorkerId>,
    /// Number of changes of this replica: a read that began before one must not undo it.
    changes: AtomicU64,
}

/// Maximum number of reads while this replica changes workers.
const ATTEMPTS: usize = 4;

impl Roster {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, known: RwLock::default(), paused: RwLock::default(), watchers: Watchers::default(), changes: AtomicU64::new(0) }
    }

    /// A cached worker.
    pub(crate) fn get(&self, id: WorkerId) -> Option<Arc<Known>> {
        self.known.read().ok()?.get(&id).cloned()
    }

    /// The worker, from the database if it is not cached.
    pub(crate) async fn find(&self, id: WorkerId) -> Result<Option<Arc<Known>>, Error> {
        if let Some(known) = self.get(id) {
            return Ok(Some(known));
        }
        let Some(worker) = worker_get(&self.database, &Scope::All, id).await? else { return Ok(None) };
        Ok(Some(self.insert(id, worker.name, worker.credential)))
    }

    /// Checks that a principal acts for this worker, without a query if it is cached.
    ///
    /// # Errors
    /// [`Failure::NotFound`] for an unknown worker, [`Failure::Forbidden`] for one of another credential.
    pub(crate) async fn check_speaker(&self, principal: &Principal, id: WorkerId) -> Result<(), Failure> {
        let known = self.find(id).await?.ok_or_else(|| not_found(id))?;
        check_holder(principal, id, Some(&known))
    }

    /// Caches a worker that registered at this replica.
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

    /// Refreshes the cache.
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

    /// Replaces the cache, unless this replica made changes since `stamp`: `false` then.
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
    async fn an_outdated_read_does_not_undo_changes_of_this_replica() {
        let database = Database::connect(&store::Settings::new("sqlite::memory:")).await.unwrap();
        let (roster, id) = (Roster::new(database), WorkerId::new(Uuid::now_v7()));
        let stamp = roster.stamp();
        roster.learn(id, "w".to_owned(), None);
        roster.set_paused(id, true);
        assert!(!roster.read(stamp, Vec::new()));
        assert!(roster.is_paused(id) && roster.get(id).is_some());
        assert!(roster.read(roster.stamp(), Vec::new()));
        assert!(!roster.is_paused(id) && roster.get(id).is_none(), "another replica gave its name away");
    }
}
