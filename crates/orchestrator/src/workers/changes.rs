//! How replicas learn of each other's workers: a counter in the database says whether there is something to read again, so that a tick does
//! not cost more with more workers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use domain::{Scope, ids::WorkerId};
use runtime::{Clock, Shutdown, TaskError};
use store::{
    Database, Error,
    changes::{Subject, change_add, change_count},
    workers::Worker,
};

use super::counter::Counter;
use crate::notices::{Notice, Notices};

/// How long after its last sign of life a worker that claims keeps jobs of its queues from being sent to the broker.
const CLAIMED_FOR: TimeDelta = TimeDelta::days(1);
/// Who works is read again at least this often in the time of a lease: that a worker is lost changes no row.
const READS_PER_LEASE: u32 = 3;

/// What was last read of the workers, by the counter and by this replica's own changes, and when.
#[derive(Default)]
pub(crate) struct CachedWorkers(Option<(i64, Instant)>);

/// Announces changes of workers, here and to other replicas. Clones are the same.
#[derive(Clone)]
pub(crate) struct WorkerChanges {
    database: Database,
    notices: Notices,
    counter: Arc<Counter>,
    /// How long a read of the workers is valid though the counter stands still.
    fresh_for: Duration,
    clock: Clock,
}

impl WorkerChanges {
    /// `lease` is how long a registered worker's lease lasts.
    pub(crate) fn new(database: Database, notices: Notices, lease: Duration, clock: Clock) -> Self {
        Self { database, notices, counter: Arc::default(), fresh_for: lease / READS_PER_LEASE, clock }
    }

    /// Takes in how a worker is now, and lets other replicas know that it changed.
    pub(crate) async fn announce(&self, id: WorkerId) -> Result<(), Error> {
        if let Some(worker) = store::workers::worker_get(&self.database, &Scope::All, id).await? {
            self.notices.send(Notice::Worker(Box::new(worker)));
        }
        self.note();
        Ok(())
    }

    /// Lets other replicas know that a worker changed.
    pub(crate) fn note(&self) {
        self.counter.note();
    }

    /// The workers that were heard of lately, when they may have changed since the last time.
    pub(crate) async fn read_if_changed(&self, cached: &mut CachedWorkers) -> Result<Option<Vec<Worker>>, Error> {
        let made = self.counter.made();
        let count = change_count(&self.database, Subject::Workers).await?;
        if cached.0.is_some_and(|(read, at)| read == count && at.elapsed() < self.fresh_for) {
            return Ok(None);
        }
        let begun = Instant::now();
        let workers = store::workers::worker_list_seen_unscoped(&self.database, (self.clock)() - CLAIMED_FOR).await?;
        let is_outdated = self.counter.made() != made;
        if is_outdated && cached.0.is_some_and(|(_, at)| at.elapsed() < self.fresh_for * 2) {
            // What was announced meanwhile is newer than what was read. It counts as a change, so that this is read again.
            return Ok(None);
        }
        cached.0 = Some((count, begun));
        Ok(Some(workers))
    }

    /// Counts this replica's changes: many at once as one, so that workers that register do not wait for each other.
    pub(crate) async fn count(self, retry_after: Duration, shutdown: Shutdown) -> Result<(), TaskError> {
        // One that is started again counts once too often, which is harmless.
        let mut counted = 0;
        loop {
            tokio::select! {
                () = shutdown.wait() => return Ok(()),
                () = self.counter.made_another() => {}
            }
            while self.counter.made() != counted {
                let made = self.counter.made();
                match change_add(&self.database, Subject::Workers).await {
                    Ok(_) => counted = made,
                    Err(error) => {
                        tracing::debug!(%error, "a change of workers was not counted; it is tried again");
                        tokio::time::sleep(retry_after.max(Duration::from_millis(10))).await;
                        if shutdown.is_triggered() {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }
}
