//! What the time does to alerts: they escalate, remind, end their silence, and are resolved when they have been fine for long enough or what they are
//! about is gone.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    alert::{Alert, Entry, Resolution},
    ids::AlertId,
};
use futures_util::future::BoxFuture;
use runtime::{Context, Counts, Reconciler, Shutdown, TaskError};
use store::{
    Database, Error,
    alerts::{alert_list_archived_unscoped, alert_list_due_unscoped, alert_lock_in_txn, alert_save_in_txn},
};

use super::Told;

/// Alerts of a transaction.
const BATCH: u64 = 200;

/// The reconciler.
pub(crate) struct Due {
    pub(crate) database: Database,
    pub(crate) tick: Duration,
    pub(crate) told: Told,
    pub(crate) shutdown: Shutdown,
}

impl Due {
    pub(crate) fn new(context: &Context, tick: Duration, told: Told) -> Arc<Self> {
        Arc::new(Self { database: context.database.clone(), tick, told, shutdown: context.shutdown.clone() })
    }

    /// Applies `change` to what `find` finds, batch by batch.
    async fn apply<F: Future<Output = Result<Vec<AlertId>, Error>>>(
        &self,
        find: impl Fn() -> F + Send + Sync,
        change: impl Fn(&mut Alert) -> Vec<Entry> + Send + Sync,
        now: DateTime<Utc>,
    ) -> Result<u64, Error> {
        let mut done = 0;
        while !self.shutdown.is_triggered() {
            let ids = find().await?;
            if ids.is_empty() {
                break;
            }
            let (txn, mut changes) = (self.database.begin().await?, Vec::new());
            for before in alert_lock_in_txn(&txn, &Scope::All, &ids).await? {
                let mut after = before.clone();
                let entries = change(&mut after);
                if after != before {
                    changes.extend(alert_save_in_txn(&txn, None, (&before, after), entries, now).await?);
                }
            }
            txn.commit().await?;
            self.told.tell(&changes);
            done += changes.len() as u64;
            if (ids.len() as u64) < BATCH {
                break;
            }
        }
        Ok(done)
    }
}

impl Reconciler for Due {
    fn name(&self) -> &'static str {
        "alerts"
    }

    fn interval(&self) -> Duration {
        self.tick
    }

    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let due = self.apply(|| alert_list_due_unscoped(&self.database, now, BATCH), |alert| alert.settle(now), now).await?;
            let archived = |alert: &mut Alert| alert.gone(Resolution::Archived, now);
            let archived = self.apply(|| alert_list_archived_unscoped(&self.database, BATCH), archived, now).await?;
            Ok(Counts::from([("alerts_due", due), ("alerts_of_archived", archived)]))
        })
    }
}
