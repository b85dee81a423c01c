use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use runtime::{
    Context, Counts, Reconciler, Shutdown, TaskError,
    reconcile::retention::{BATCH, in_batches, kept_since},
};
use store::{Database, hooks::retention_hook_deliveries};

/// Deliveries of a hook that are kept with their content.
const WHOLE: u64 = 1000;

/// Deletes deliveries that have exceeded their retention time, and empties those that many newer ones follow.
pub(crate) struct Retention {
    kept: Duration,
    database: Database,
    shutdown: Shutdown,
}

impl Retention {
    pub(crate) fn new(context: &Context) -> Self {
        let (database, shutdown) = (context.database.clone(), context.shutdown.clone());
        Self { kept: context.settings.retention.hook_deliveries, database, shutdown }
    }
}

impl Reconciler for Retention {
    fn name(&self) -> &'static str {
        "retention_hook_deliveries"
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(600)
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            // Without a retention time none is deleted, and they are emptied all the same.
            let before = kept_since(now, self.kept).unwrap_or(DateTime::UNIX_EPOCH);
            let batch = || async { retention_hook_deliveries(&self.database, before, (WHOLE, BATCH)).await.map(<[u64; 2]>::from) };
            let [removed, emptied] = in_batches(&self.shutdown, batch).await?;
            Ok(Counts::from([("deliveries_removed", removed), ("deliveries_emptied", emptied)]))
        })
    }
}
