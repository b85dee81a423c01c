use async_trait::async_trait;

use uuid::Uuid;

use crate::{Job, JobFolder, Outbox, Outcome, PauseSignal, StopSignal};

/// What a run has beside its job.
pub struct RunContext {
    /// Takes log lines and progress.
    pub outbox: Outbox,
    /// Says when to stop.
    pub stop: StopSignal,
    /// Says when to stand still and when to go on. The job's time-out stands still with it.
    pub pause: PauseSignal,
    /// Token of the job's lease.
    pub lease_token: Uuid,
    /// The job's folder; it does not exist until somebody creates it.
    pub folder: JobFolder,
}

/// Runs jobs. [`crate::ProcessRunner`] starts programs; others serve tests and measurements.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Runs `job` to its end, or to [`StopSignal::stopped`], after which it ends soon with [`Outcome::stopped`]. Every failure is an
    /// [`Outcome`]. Dropping the future must stop the run, by force.
    async fn run(&self, job: &Job, context: RunContext) -> Outcome;
}
