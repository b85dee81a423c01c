use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use runtime::{
    Context, Counts, Reconciler, Shutdown, TaskError,
    reconcile::retention::{BATCH, in_batches, kept_since},
};
use store::{Database, alerts::retention_alerts};

/// Deletes resolved alerts that have exceeded their retention time, with their stories.
pub(crate) struct Retention {
    kept: Duration,
    database: Database,
    shutdown: Shutdown,
}

impl Retention {
    pub(crate) fn new(context: &Context, kept: Duration) -> Self {
        Self { kept, database: context.database.clone(), shutdown: context.shutdown.clone() }
    }
}

impl Reconciler for Retention {
    fn name(&self) -> &'static str {
        "retention_alerts"
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(600)
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let Some(before) = kept_since(now, self.kept) else { return Ok(Counts::new()) };
            let batch = || async { retention_alerts(&self.database, before, BATCH).await.map(|removed| [removed]) };
            let [removed] = in_batches(&self.shutdown, batch).await?;
            Ok(Counts::from([("alerts_removed", removed)]))
        })
    }
}
