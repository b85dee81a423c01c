use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use runtime::{
    Context, Counts, Reconciler, Shutdown, TaskError,
    reconcile::retention::{BATCH, in_batches, kept_since},
};
use store::{Database, notifications::retention_notifications};

/// Deletes what was sent before the retention time.
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
        "retention_notifications"
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
            let batch = || async { retention_notifications(&self.database, before, BATCH).await.map(|removed| [removed]) };
            let [removed] = in_batches(&self.shutdown, batch).await?;
            Ok(Counts::from([("notifications_removed", removed)]))
        })
    }
}
