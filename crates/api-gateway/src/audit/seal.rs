use std::time::Duration;

use auth::chain::{FIRST_HASH, link_hash};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use runtime::{Counts, Reconciler, TaskError};
use store::{Database, audit::audit_seal};

/// Entries that one transaction seals.
const BATCH: u64 = 500;
/// Transactions of a run; the next one goes on.
const MOST_BATCHES: usize = 100;

/// Appends new entries of the audit trail to its hash chain. Several at once do not fork it: each transaction takes its lock.
pub(crate) struct Seal {
    pub(crate) database: Database,
}

impl Reconciler for Seal {
    fn name(&self) -> &'static str {
        "audit_seal"
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn run_once(&self, _: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let mut sealed = 0;
            for _ in 0..MOST_BATCHES {
                let batch = audit_seal(&self.database, BATCH, FIRST_HASH, link_hash).await?;
                sealed += batch;
                if batch < BATCH {
                    break;
                }
            }
            Ok(Counts::from([("entries_sealed", sealed)]))
        })
    }
}
