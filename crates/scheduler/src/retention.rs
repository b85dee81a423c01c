use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use runtime::{
    Context, Counts, Reconciler, Shutdown, TaskError,
    reconcile::retention::{BATCH, in_batches, kept_since},
};
use store::{Database, chains::chain_prune, retention::retention_fires};

/// Deletes what became of slots and of runs of chains, when jobs of that time are deleted.
pub(crate) struct RetentionFires {
    database: Database,
    kept: Duration,
    shutdown: Shutdown,
}

impl RetentionFires {
    pub(crate) fn new(context: &Context) -> Self {
        let Context { database, settings, shutdown, .. } = context.clone();
        Self { database, kept: settings.retention.jobs, shutdown }
    }
}

impl Reconciler for RetentionFires {
    fn name(&self) -> &'static str {
        "retention_fires"
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
            let batch = || async {
                Ok::<_, store::Error>([
                    retention_fires(&self.database, before, BATCH).await?,
                    chain_prune(&self.database, before, BATCH).await?,
                ])
            };
            let [fires, runs] = in_batches(&self.shutdown, batch).await?;
            Ok(Counts::from([("chain_runs_removed", runs), ("fires_removed", fires)]))
        })
    }
}
