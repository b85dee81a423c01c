use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use runtime::{Counts, Reconciler, TaskError};
use store::{Database, pending_sign_ins::pending_sign_in_delete_expired, sessions::session_delete_over};

/// How long ended sessions are kept: they record the addresses from which a user signed in before.
const KEPT: TimeDelta = TimeDelta::days(90);
const BATCH: u64 = 500;

/// Removes sessions that are over for long, and sign-ins at the identity provider that came to no end.
pub(crate) struct RetentionSessions {
    pub(crate) database: Database,
}

impl Reconciler for RetentionSessions {
    fn name(&self) -> &'static str {
        "retention_sessions"
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let (mut sessions, mut pending) = (0, 0);
            while let batch @ 1.. = session_delete_over(&self.database, now - KEPT, BATCH).await? {
                sessions += batch;
            }
            while let batch @ 1.. = pending_sign_in_delete_expired(&self.database, now, BATCH).await? {
                pending += batch;
            }
            Ok(Counts::from([("sessions_removed", sessions), ("pending_sign_ins_removed", pending)]))
        })
    }
}
