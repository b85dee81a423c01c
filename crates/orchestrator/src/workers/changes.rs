//! How replicas learn of each other's workers: a counter in the database says whether there is something to read again, so that a tick does
//! not cost more with more workers.

use domain::{Scope, ids::WorkerId};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use runtime::TaskError;
use store::{
    Error,
    changes::{Subject, change_add, change_count},
    workers::Worker,
};

use crate::{Orchestrator, notices::Notice};

/// How long after its last sign of life a worker that claims keeps jobs of its queues from being sent to the broker.
const CLAIMED_FOR: TimeDelta = TimeDelta::days(1);
/// Who works is read again at least this often in the time of a lease: that a worker is lost changes no row.
const READS_PER_LEASE: u32 = 3;

/// What was last read of the workers, by the counter and by this replica's own changes, and when.
#[derive(Default)]
pub(crate) struct CachedWorkers(Option<(i64, Instant)>);

impl Orchestrator {
    /// Takes in how a worker is now, and lets other replicas know that it changed.
    pub(crate) async fn announce(&self, id: WorkerId) -> Result<(), Error> {
        if let Some(worker) = store::workers::worker_get(&self.database, &Scope::All, id).await? {
            self.notices.send(Notice::Worker(Box::new(worker)));
        }
        self.worker_changes.note();
        Ok(())
    }

    /// The workers that were heard of lately, when they may have changed since the last time.
    pub(crate) async fn workers_if_changed(&self, cached: &mut CachedWorkers) -> Result<Option<Vec<Worker>>, Error> {
        let made = self.worker_changes.made();
        let count = change_count(&self.database, Subject::Workers).await?;
        let fresh_for = self.lease.agent / READS_PER_LEASE;
        if cached.0.is_some_and(|(read, at)| read == count && at.elapsed() < fresh_for) {
            return Ok(None);
        }
        let begun = Instant::now();
        let workers = store::workers::worker_list_seen_unscoped(&self.database, (self.clock)() - CLAIMED_FOR).await?;
        let is_outdated = self.worker_changes.made() != made;
        if is_outdated && cached.0.is_some_and(|(_, at)| at.elapsed() < fresh_for * 2) {
            // What was announced meanwhile is newer than what was read. It counts as a change, so that this is read again.
            return Ok(None);
        }
        cached.0 = Some((count, begun));
        Ok(Some(workers))
    }

    /// Counts this replica's changes: many at once as one, so that workers that register do not wait for each other.
    pub(crate) async fn count_worker_changes(self) -> Result<(), TaskError> {
        // One that is started again counts once too often, which is harmless.
        let mut counted = 0;
        loop {
            tokio::select! {
                () = self.shutdown.wait() => return Ok(()),
                () = self.worker_changes.made_another() => {}
            }
            while self.worker_changes.made() != counted {
                let made = self.worker_changes.made();
                match change_add(&self.database, Subject::Workers).await {
                    Ok(_) => counted = made,
                    Err(error) => {
                        tracing::debug!(%error, "a change of workers was not counted; it is tried again");
                        tokio::time::sleep(self.tick.max(Duration::from_millis(10))).await;
                        if self.shutdown.is_triggered() {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }
}
