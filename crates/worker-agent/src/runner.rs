use async_trait::async_trait;

use uuid::Uuid;

use crate::{Job, JobFolder, Outbox, Outcome, PauseSignal, StopSignal};

/// What a run gets in addition to its job.
pub struct RunContext {
    /// Accepts log lines and progress.
    pub outbox: Outbox,
    /// Signals when to stop.
    pub stop: StopSignal,
    /// Signals when to suspend and when to resume. The job's time-out clock stops meanwhile.
    pub pause: PauseSignal,
    /// Token of the job's lease.
    pub lease_token: Uuid,
    /// The job's folder; the runner creates it.
    pub folder: JobFolder,
}

/// Runs jobs. [`crate::ProcessRunner`] starts programs; others serve tests and measurements.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Runs `job` to its end, or to [`StopSignal::stopped`], after which it ends soon with [`Outcome::stopped`]. Every failure is an
    /// [`Outcome`]. Dropping the future must kill the run.
    async fn run(&self, job: &Job, context: RunContext) -> Outcome;
}
