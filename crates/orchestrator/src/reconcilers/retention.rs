use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use runtime::{Clock, Context, Counts, Reconciler, Shutdown, TaskError};
use store::{Database, Error, retention};

/// Rows that a statement removes at most.
const BATCH: u64 = 500;
/// How long a run goes on; the next one takes what is left.
const RUN_FOR: Duration = Duration::from_secs(20);

/// Removes what is older than it is kept.
pub(super) struct Retention {
    name: &'static str,
    kept: Duration,
    kinds: &'static [Kind],
    database: Database,
    clock: Clock,
    shutdown: Shutdown,
}

/// Rows that are removed together, and how they are counted.
#[derive(Clone, Copy)]
struct Kind {
    counted: &'static str,
    remove: Remove,
}

/// Removes a batch of what is older, and says how many.
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
    /// Of jobs that have ended.
    pub(super) fn jobs(context: &Context) -> Self {
        Self::new(context, "retention_jobs", context.settings.retention.jobs, JOBS)
    }

    /// Of log lines and events of jobs.
    pub(super) fn logs(context: &Context) -> Self {
        Self::new(context, "retention_logs", context.settings.retention.logs, LOGS)
    }

    /// Of dead letters.
    pub(super) fn dead_letters(context: &Context) -> Self {
        Self::new(context, "retention_dead_letters", context.settings.retention.dead_letters, DEAD_LETTERS)
    }

    fn new(context: &Context, name: &'static str, kept: Duration, kinds: &'static [Kind]) -> Self {
        let Context { database, clock, shutdown, .. } = context.clone();
        Self { name, kept, kinds, database, clock, shutdown }
    }

    /// Removes one batch after the other; nothing when it is kept for ever.
    async fn remove(&self, kind: Kind) -> Result<u64, Error> {
        let kept = TimeDelta::from_std(self.kept).ok().filter(|kept| !kept.is_zero());
        let Some(before) = kept.and_then(|kept| (self.clock)().checked_sub_signed(kept)) else { return Ok(0) };
        let begun = Instant::now();
        let mut removed = 0;
        loop {
            let gone = (kind.remove)(&self.database, before).await?;
            removed += gone;
            if gone < BATCH || begun.elapsed() >= RUN_FOR || self.shutdown.is_triggered() {
                return Ok(removed);
            }
        }
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
