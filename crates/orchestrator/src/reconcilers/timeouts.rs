use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use runtime::{Counts, Reconciler, TaskError};
use store::{
    Database,
    jobs::{job_list_overdue_unscoped, job_list_queue_overdue_unscoped},
};

use super::{MOST_ENDED, end_all};
use crate::writer::{Change, Writer};

/// Ends jobs that run longer than they may: those of foreign workers, and those whose worker did not end them itself.
pub(super) struct JobTimeouts {
    pub(super) database: Database,
    pub(super) writer: Writer,
    pub(super) tick: Duration,
}

impl Reconciler for JobTimeouts {
    fn name(&self) -> &'static str {
        "job_timeouts"
    }

    fn interval(&self) -> Duration {
        self.tick * 2
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn judges(&self) -> bool {
        true
    }

    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let overdue = job_list_overdue_unscoped(&self.database, now, MOST_ENDED).await?;
            Ok(end_all(&self.writer, overdue, || Change::TimeOut).await)
        })
    }
}

/// Fails jobs that wait longer than they may.
pub(super) struct QueueTimeouts {
    pub(super) database: Database,
    pub(super) writer: Writer,
    pub(super) tick: Duration,
}

impl Reconciler for QueueTimeouts {
    fn name(&self) -> &'static str {
        "queue_timeouts"
    }

    fn interval(&self) -> Duration {
        self.tick * 2
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn judges(&self) -> bool {
        true
    }

    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let overdue = job_list_queue_overdue_unscoped(&self.database, now, MOST_ENDED).await?;
            Ok(end_all(&self.writer, overdue, || Change::GiveUp).await)
        })
    }
}
