use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use runtime::{Context, Counts, Reconciler, Shutdown, TaskError};
use store::{Database, hooks::retention_hook_deliveries};

/// Maximum number of rows that a statement changes.
const BATCH: u64 = 500;
/// Deliveries of a hook that are kept with their content.
const WHOLE: u64 = 1000;
/// Time limit of a run; the next one continues.
const RUN_FOR: Duration = Duration::from_secs(20);

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
            let kept = TimeDelta::from_std(self.kept).ok().filter(|kept| !kept.is_zero());
            let before = kept.and_then(|kept| now.checked_sub_signed(kept)).unwrap_or(DateTime::UNIX_EPOCH);
            let (begun, mut counts) = (Instant::now(), Counts::new());
            loop {
                let (deleted, emptied) = retention_hook_deliveries(&self.database, before, (WHOLE, BATCH)).await?;
                *counts.entry("deliveries_removed").or_default() += deleted;
                *counts.entry("deliveries_emptied").or_default() += emptied;
                let is_done = deleted < BATCH && emptied < BATCH;
                if is_done || begun.elapsed() >= RUN_FOR || self.shutdown.is_triggered() {
                    return Ok(counts);
                }
            }
        })
    }
}
