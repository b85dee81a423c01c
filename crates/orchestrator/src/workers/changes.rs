//! Exchange of workers between replicas: a counter in the database says whether they changed, so that the cost of a tick does not grow with
//! the number of workers.

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

/// Time after its last heartbeat for which a claiming worker keeps jobs of its queues from being published to the broker.
const CLAIMED_FOR: TimeDelta = TimeDelta::days(1);
/// Minimum number of reads in the time of a lease: the loss of a worker changes no row and no counter.
const READS_PER_LEASE: u32 = 3;

/// Change counter and time of the last read of the workers.
#[derive(Default)]
pub(crate) struct CachedWorkers(Option<(i64, Instant)>);

/// Announces changes of workers to this and other replicas. Clones share it.
#[derive(Clone)]
pub(crate) struct WorkerChanges {
    database: Database,
    notices: Notices,
    counter: Arc<Counter>,
    /// Maximum age of a read while the counter is unchanged.
    fresh_for: Duration,
    clock: Clock,
}

impl WorkerChanges {
    /// `lease` is how long a registered worker's lease lasts.
    pub(crate) fn new(database: Database, notices: Notices, lease: Duration, clock: Clock) -> Self {
        Self { database, notices, counter: Arc::default(), fresh_for: lease / READS_PER_LEASE, clock }
    }

    /// Reads a changed worker and notifies other replicas.
    pub(crate) async fn announce(&self, id: WorkerId) -> Result<(), Error> {
        if let Some(worker) = store::workers::worker_get(&self.database, &Scope::All, id).await? {
            self.notices.send(Notice::Worker(Box::new(worker)));
        }
        self.note();
        Ok(())
    }

    /// Notifies other replicas that a worker changed.
    pub(crate) fn note(&self) {
        self.counter.note();
    }

    /// The workers with a recent heartbeat, if they may have changed since the last read.
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
            // A change was announced during the read and is newer. It counts as a change, so the next tick reads again.
            return Ok(None);
        }
        cached.0 = Some((count, begun));
        Ok(Some(workers))
    }

    /// Counts this replica's changes; concurrent ones as one, so that registering workers do not wait for each other.
    pub(crate) async fn count(self, retry_after: Duration, shutdown: Shutdown) -> Result<(), TaskError> {
        // After a restart it counts once too often, which is harmless.
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
                        tracing::debug!(%error, "a change of workers was not counted; retrying");
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
