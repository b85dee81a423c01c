//! The orchestrator's reconcilers. Each reads the state again, may run at any time, and is run by one replica at a time.
//!
//! They end jobs only through the writer, so that a job that was finished in the meantime keeps its result.

mod lost_messages;
mod lost_workers;
mod overdue;
mod retention;
mod stalls;
mod sweep;

use std::sync::Arc;

use domain::ids::JobId;
use runtime::{Context, Counts, Reconciler};

use crate::{
    events::Announcer,
    jobs::WaitingReasons,
    notices::Notices,
    writer::{Change, Writer},
};

/// Maximum number of jobs that a run ends.
const MOST_ENDED: u64 = 1000;

/// All reconcilers.
pub(crate) fn all(
    (writer, notices): (&Writer, &Notices),
    reasons: WaitingReasons,
    announcer: Announcer,
    context: &Context,
) -> Vec<Arc<dyn Reconciler>> {
    let tick = context.settings.dispatch.tick;
    let database = &context.database;
    let ends = |limit| Arc::new(overdue::Overdue { limit, database: database.clone(), writer: writer.clone(), tick });
    vec![
        ends(overdue::Limit::Lease),
        ends(overdue::Limit::Run),
        ends(overdue::Limit::Wait),
        Arc::new(stalls::Stalls::new(reasons)),
        Arc::new(sweep::UnconfirmedSweep::new(context)),
        Arc::new(lost_messages::LostMessages::new(notices.clone(), context)),
        Arc::new(lost_workers::LostWorkers::new(announcer, context)),
        Arc::new(retention::jobs(context)),
        Arc::new(retention::logs(context)),
        Arc::new(retention::dead_letters(context)),
    ]
}

/// Applies `change` to all these jobs.
async fn end_all(writer: &Writer, jobs: Vec<JobId>, change: fn() -> Change) -> Counts {
    let outcomes = futures_util::future::join_all(jobs.into_iter().map(|id| writer.change(id, change()))).await;
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    let ended = outcomes.into_iter().flatten().filter(|changed| changed.status.is_terminal()).count();
    counts([("jobs_ended", ended), ("jobs_not_ended", failed)])
}

fn counts<const N: usize>(counted: [(&'static str, usize); N]) -> Counts {
    counted.into_iter().map(|(what, count)| (what, u64::try_from(count).unwrap_or(u64::MAX))).collect()
}
