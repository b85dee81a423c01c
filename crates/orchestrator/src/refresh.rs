//! Refreshes the caches of this replica every `dispatch.tick`, because other replicas change automations, pauses and workers too.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use runtime::{Clock, RefusedKeys, Shutdown, TaskError};
use store::{Database, Error};

use crate::{
    catalog::Catalog,
    dispatch::BrokerQueues,
    jobs::WaitingReasons,
    notices::{Notice, Notices},
    roster::Roster,
    workers::{CachedWorkers, WorkerChanges},
};

/// Maximum number of jobs with refused keys that are recorded per tick.
const MOST_REFUSED: usize = 100;
/// Interval of log lines about pending jobs, in ticks.
const LOG_EVERY: u32 = 10;

/// The caches to refresh. Clones share them.
#[derive(Clone)]
pub(crate) struct Refresh {
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) queues: BrokerQueues,
    pub(crate) roster: Arc<Roster>,
    pub(crate) worker_changes: WorkerChanges,
    pub(crate) reasons: WaitingReasons,
    pub(crate) refused: RefusedKeys,
    pub(crate) notices: Notices,
    pub(crate) clock: Clock,
    pub(crate) tick: Duration,
}

impl Refresh {
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), TaskError> {
        let mut out_of_reach = false;
        let mut cached = CachedWorkers::default();
        let mut logged = BTreeMap::new();
        let mut ticks: u32 = 0;
        loop {
            match self.refresh(&mut cached).await {
                Ok(()) => out_of_reach = false,
                Err(error) => {
                    if !std::mem::replace(&mut out_of_reach, true) {
                        tracing::warn!(%error, "automations, pauses and workers could not be read");
                    }
                }
            }
            tokio::select! {
                () = shutdown.wait() => return Ok(()),
                () = tokio::time::sleep(self.tick) => {}
            }
            ticks = ticks.wrapping_add(1);
            if ticks.is_multiple_of(LOG_EVERY)
                && let Err(error) = self.reasons.log(&mut logged).await
            {
                tracing::debug!(%error, "the reasons of pending jobs could not be read");
            }
            if let Err(error) = self.note_refused_keys().await {
                tracing::debug!(%error, "refused keys were not recorded");
            }
        }
    }

    async fn refresh(&self, cached: &mut CachedWorkers) -> Result<(), Error> {
        for queue in self.catalog.refresh().await? {
            // So that every replica says whether the profile has taken effect, and none goes on with the one before.
            self.queues.request_check(&queue);
        }
        let workers = self.worker_changes.read_if_changed(cached).await?;
        if workers.is_some() {
            self.roster.refresh().await?;
        }
        self.notices.send(Notice::Refresh(workers));
        Ok(())
    }

    /// Records the jobs that workers with a wrong key tried to start.
    async fn note_refused_keys(&self) -> Result<(), Error> {
        for (job_id, times) in self.refused.take_starts(MOST_REFUSED) {
            let times = i32::try_from(times).unwrap_or(i32::MAX);
            store::jobs::job_note_refused(&self.database, job_id, times, (self.clock)()).await?;
        }
        Ok(())
    }
}
