//! Reads jobs that ended, and wakes the rules that look at them: failures, streaks, rates, short runs, and what is late and came after all.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use domain::ids::JobId;
use futures_util::future::BoxFuture;
use runtime::{Counts, EndedJobs, EndedReader, Reconciler, Shutdown, TaskError};
use store::{
    Database, Error,
    slas::{EndedJob, sla_any_follows_unscoped, sla_list_ended_unscoped, sla_monitor_state, sla_monitor_state_put, sla_note_ended_in_txn},
};
use tokio::sync::Notify;

/// Name of the cursor.
const CURSOR: &str = "ended.cursor";

/// The reconciler.
pub(crate) struct Sweep {
    pub(crate) database: Database,
    pub(crate) tick: Duration,
    pub(crate) shutdown: Shutdown,
    pub(crate) read: EndedReader,
    /// Wakes the loop of this process; others find out within their tick.
    pub(crate) nudge: Arc<Notify>,
}

impl EndedJobs for Sweep {
    type Ended = EndedJob;

    fn place(ended: &EndedJob) -> (DateTime<Utc>, JobId) {
        (ended.at, ended.job_id)
    }

    fn since(&self, _now: DateTime<Utc>) -> BoxFuture<'_, Result<Option<DateTime<Utc>>, Error>> {
        // What ended before a rule followed does not count for it, and is harmless.
        Box::pin(async { Ok(sla_any_follows_unscoped(&self.database).await?.then_some(DateTime::UNIX_EPOCH)) })
    }

    fn cursor(&self) -> BoxFuture<'_, Result<Option<DateTime<Utc>>, Error>> {
        Box::pin(async { Ok(sla_monitor_state(&self.database, CURSOR).await?.and_then(|text| text.parse().ok())) })
    }

    fn note(&self, cursor: DateTime<Utc>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { sla_monitor_state_put(&self.database, CURSOR, &cursor.to_rfc3339()).await })
    }

    fn list(&self, after: (DateTime<Utc>, JobId), limit: u64) -> BoxFuture<'_, Result<Vec<EndedJob>, Error>> {
        Box::pin(sla_list_ended_unscoped(&self.database, after, limit))
    }

    fn count(&self, ended: Vec<EndedJob>, _now: DateTime<Utc>) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(async move {
            let automations: BTreeSet<_> = ended.iter().map(|ended| ended.automation_id).collect();
            let txn = self.database.begin().await?;
            let woken = sla_note_ended_in_txn(&txn, &automations).await?;
            txn.commit().await?;
            if woken > 0 {
                self.nudge.notify_one();
            }
            Ok(woken.try_into().unwrap_or(u64::MAX))
        })
    }
}

impl Reconciler for Sweep {
    fn name(&self) -> &'static str {
        "sla_runs"
    }

    fn interval(&self) -> Duration {
        self.tick
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move { Ok(Counts::from([("rules_woken", self.read.count(self, now, &self.shutdown).await?)])) })
    }
}
