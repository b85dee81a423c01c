use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use runtime::{Clock, Context, Counts, Reconciler, TaskError};
use store::{Database, jobs::job_release_unconfirmed};

/// Returns jobs to the backlog whose message was not confirmed, because a hub died between commit and confirm.
pub(super) struct UnconfirmedSweep {
    database: Database,
    clock: Clock,
    after: TimeDelta,
    tick: Duration,
}

impl UnconfirmedSweep {
    pub(super) fn new(context: &Context) -> Self {
        let dispatch = &context.settings.dispatch;
        let after = TimeDelta::from_std(dispatch.sweep_after).unwrap_or(TimeDelta::MAX);
        Self { database: context.database.clone(), clock: context.clock.clone(), after, tick: dispatch.tick }
    }
}

impl Reconciler for UnconfirmedSweep {
    fn name(&self) -> &'static str {
        "unconfirmed_sweep"
    }

    fn interval(&self) -> Duration {
        self.tick * 5
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn run_once(&self, _: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let released = job_release_unconfirmed(&self.database, (self.clock)() - self.after).await?;
            Ok(Counts::from([("jobs_waiting_again", released)]))
        })
    }
}
