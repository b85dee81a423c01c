use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use runtime::{Counts, Reconciler, TaskError};
use store::{Database, jobs::job_list_expired_unscoped};

use super::{MOST_ENDED, end_all};
use crate::writer::{Change, Writer};

/// Ends jobs whose lease expired: their worker is lost.
pub(super) struct ExpiredLeases {
    pub(super) database: Database,
    pub(super) writer: Writer,
    pub(super) tick: Duration,
}

impl Reconciler for ExpiredLeases {
    fn name(&self) -> &'static str {
        "expired_leases"
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
            let expired = job_list_expired_unscoped(&self.database, now, MOST_ENDED).await?;
            Ok(end_all(&self.writer, expired, || Change::Expire).await)
        })
    }
}
