//! What the orchestrator's rows are kept for.

use runtime::{
    Context,
    reconcile::retention::{BATCH, Kind, Retention},
};
use store::retention;

const JOBS: &[Kind] =
    &[Kind { counted: "jobs_removed", remove: |database, before| Box::pin(retention::retention_jobs(database, before, BATCH)) }];
const LOGS: &[Kind] = &[
    Kind { counted: "log_batches_removed", remove: |database, before| Box::pin(retention::retention_log_chunks(database, before, BATCH)) },
    Kind { counted: "events_removed", remove: |database, before| Box::pin(retention::retention_job_events(database, before, BATCH)) },
];
const DEAD_LETTERS: &[Kind] = &[Kind {
    counted: "dead_letters_removed",
    remove: |database, before| Box::pin(retention::retention_dead_letters(database, before, BATCH)),
}];

/// Retention of ended jobs.
pub(super) fn jobs(context: &Context) -> Retention {
    Retention::new(context, "retention_jobs", context.settings.retention.jobs, JOBS)
}

/// Retention of log lines and events of jobs.
pub(super) fn logs(context: &Context) -> Retention {
    Retention::new(context, "retention_logs", context.settings.retention.logs, LOGS)
}

/// Retention of dead letters.
pub(super) fn dead_letters(context: &Context) -> Retention {
    Retention::new(context, "retention_dead_letters", context.settings.retention.dead_letters, DEAD_LETTERS)
}
