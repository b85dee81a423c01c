use std::{
    future::Future,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use store::{Database, Error, retention};

use super::Counts;
use crate::Orchestrator;

/// Rows that a statement removes at most.
const BATCH: u64 = 500;
/// How long a run goes on; the next one takes what is left.
const RUN_FOR: Duration = Duration::from_secs(20);

impl Orchestrator {
    pub(super) async fn remove_old_jobs(&self) -> Result<Counts, Error> {
        let removed = self.in_batches(self.retention.jobs, jobs).await?;
        Ok(Counts::from([("jobs_removed", removed)]))
    }

    pub(super) async fn remove_old_logs(&self) -> Result<Counts, Error> {
        let chunks = self.in_batches(self.retention.logs, log_chunks).await?;
        let events = self.in_batches(self.retention.logs, events).await?;
        Ok(Counts::from([("log_batches_removed", chunks), ("events_removed", events)]))
    }

    pub(super) async fn remove_old_dead_letters(&self) -> Result<Counts, Error> {
        let removed = self.in_batches(self.retention.dead_letters, dead_letters).await?;
        Ok(Counts::from([("dead_letters_removed", removed)]))
    }

    /// Removes what is older than `kept`, one batch after the other; nothing when it is kept for ever.
    async fn in_batches<F>(&self, kept: Duration, batch: fn(Database, DateTime<Utc>) -> F) -> Result<u64, Error>
    where
        F: Future<Output = Result<u64, Error>>,
    {
        let kept = TimeDelta::from_std(kept).ok().filter(|kept| !kept.is_zero());
        let Some(before) = kept.and_then(|kept| (self.clock)().checked_sub_signed(kept)) else { return Ok(0) };
        let begun = Instant::now();
        let mut removed = 0;
        loop {
            let gone = batch(self.database.clone(), before).await?;
            removed += gone;
            if gone < BATCH || begun.elapsed() >= RUN_FOR || self.shutdown.is_triggered() {
                return Ok(removed);
            }
        }
    }
}

async fn jobs(database: Database, before: DateTime<Utc>) -> Result<u64, Error> {
    retention::retention_jobs(&database, before, BATCH).await
}

async fn log_chunks(database: Database, before: DateTime<Utc>) -> Result<u64, Error> {
    retention::retention_log_chunks(&database, before, BATCH).await
}

async fn events(database: Database, before: DateTime<Utc>) -> Result<u64, Error> {
    retention::retention_job_events(&database, before, BATCH).await
}

async fn dead_letters(database: Database, before: DateTime<Utc>) -> Result<u64, Error> {
    retention::retention_dead_letters(&database, before, BATCH).await
}
