use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use runtime::{
    Clock, Context, Counts, Reconciler, Shutdown, TaskError,
    reconcile::retention::{BATCH, in_batches, kept_since},
};
use store::{Database, Error, retention};

/// Deletes rows that have exceeded their retention time.
pub(super) struct Retention {
    name: &'static str,
    kept: Duration,
    kinds: &'static [Kind],
    database: Database,
    clock: Clock,
    shutdown: Shutdown,
}

/// A kind of rows, and the name of its count.
#[derive(Clone, Copy)]
struct Kind {
    counted: &'static str,
    remove: Remove,
}

/// Deletes a batch of older rows and returns their number.
type Remove = for<'a> fn(&'a Database, DateTime<Utc>) -> BoxFuture<'a, Result<u64, Error>>;

const JOBS: &[Kind] =
    &[Kind { counted: "jobs_removed", remove: |database, before| Box::pin(retention::retention_jobs(database, before, BATCH)) }];
const LOGS: &[Kind] = &[
    Kind { counted: "log_batches_removed", remove: |database, before| Box::pin(retention::retention_log_chunks(database, before, BATCH)) },
    Kind { counted: "events_removed", remove: |database, before| Box::pin(retention::retention_job_events(database, before, BATCH)) },
];
const DEAD_LETTERS: &[Kind] = &[Kind {
    counted: "dead_letters_removed",
    remove: |database, before| Box::pin(retention::retention_dead_letters(database, before, BATCH)),
}];

impl Retention {
    /// Retention of ended jobs.
    pub(super) fn jobs(context: &Context) -> Self {
        Self::new(context, "retention_jobs", context.settings.retention.jobs, JOBS)
    }

    /// Retention of log lines and events of jobs.
    pub(super) fn logs(context: &Context) -> Self {
        Self::new(context, "retention_logs", context.settings.retention.logs, LOGS)
    }

    /// Retention of dead letters.
    pub(super) fn dead_letters(context: &Context) -> Self {
        Self::new(context, "retention_dead_letters", context.settings.retention.dead_letters, DEAD_LETTERS)
    }

    fn new(context: &Context, name: &'static str, kept: Duration, kinds: &'static [Kind]) -> Self {
        let Context { database, clock, shutdown, .. } = context.clone();
        Self { name, kept, kinds, database, clock, shutdown }
    }

    /// Deletes batch by batch; nothing without a retention time.
    async fn remove(&self, kind: Kind) -> Result<u64, Error> {
        let Some(before) = kept_since((self.clock)(), self.kept) else { return Ok(0) };
        let batch = || async { (kind.remove)(&self.database, before).await.map(|removed| [removed]) };
        let [removed] = in_batches(&self.shutdown, batch).await?;
        Ok(removed)
    }
}

impl Reconciler for Retention {
    fn name(&self) -> &'static str {
        self.name
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(600)
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn run_once(&self, _: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let mut counts = Counts::new();
            for kind in self.kinds {
                counts.insert(kind.counted, self.remove(*kind).await?);
            }
            Ok(counts)
        })
    }
}
