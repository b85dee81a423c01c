use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use runtime::{Context, Counts, Reconciler, Shutdown, TaskError};
use store::{Database, retention::retention_fires};

/// Rows that a statement deletes.
const BATCH: u64 = 500;
/// How long a run takes; the next one continues.
const RUN_FOR: Duration = Duration::from_secs(20);

/// Deletes what became of slots, when jobs of that time are deleted.
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
            let kept = TimeDelta::from_std(self.kept).ok().filter(|kept| !kept.is_zero());
            let Some(before) = kept.and_then(|kept| now.checked_sub_signed(kept)) else { return Ok(Counts::new()) };
            let (begun, mut removed) = (Instant::now(), 0);
            loop {
                let gone = retention_fires(&self.database, before, BATCH).await?;
                removed += gone;
                if gone < BATCH || begun.elapsed() >= RUN_FOR || self.shutdown.is_triggered() {
                    return Ok(Counts::from([("fires_removed", removed)]));
                }
            }
        })
    }
}
