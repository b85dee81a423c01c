use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use runtime::{Counts, Reconciler, TaskError};
use store::{
    Database,
    jobs::{job_list_expired_unscoped, job_list_overdue_unscoped, job_list_queue_overdue_unscoped},
};

use super::{MOST_ENDED, end_all};
use crate::writer::{Change, Writer};

/// The limit that was exceeded.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    /// The lease expired: the worker is lost.
    Lease,
    /// The time limit of the run, if its worker did not end the job, for example a foreign worker.
    Run,
    /// The queue time-out.
    Wait,
}

/// Ends jobs that exceeded a limit.
pub(super) struct Overdue {
    pub(super) limit: Limit,
    pub(super) database: Database,
    pub(super) writer: Writer,
    pub(super) tick: Duration,
}

impl Reconciler for Overdue {
    fn name(&self) -> &'static str {
        match self.limit {
            Limit::Lease => "expired_leases",
            Limit::Run => "job_timeouts",
            Limit::Wait => "queue_timeouts",
        }
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
            let database = &self.database;
            let (jobs, change): (_, fn() -> Change) = match self.limit {
                Limit::Lease => (job_list_expired_unscoped(database, now, MOST_ENDED).await?, || Change::Expire),
                Limit::Run => (job_list_overdue_unscoped(database, now, MOST_ENDED).await?, || Change::TimeOut),
                Limit::Wait => (job_list_queue_overdue_unscoped(database, now, MOST_ENDED).await?, || Change::GiveUp),
            };
            Ok(end_all(&self.writer, jobs, change).await)
        })
    }
}
