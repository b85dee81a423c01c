//! The job: its states, who may change it, and what each change leads to.

mod accept;
mod control;
mod error_class;
mod finish;
mod lease;
mod start;
mod status;
#[cfg(test)]
mod tests;

use crate::ids::JobId;

pub use self::{
    accept::{
        Accepted, Complete, Earlier, IdempotencyKey, Origin, ParameterSchema, Rejection, Request, Rules, Terms, accept, next_attempt,
        replay,
    },
    control::CancelOutcome,
    error_class::{ErrorClass, known_classes},
    finish::{Failure, FinishOutcome, Outcome},
    lease::{Caller, Lease},
    start::StartOutcome,
    status::{Status, Trigger},
};

/// The part of a job that decides what may happen to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Id, UUID v7.
    pub id: JobId,
    /// Where it stands.
    pub status: Status,
    /// The right of one worker to it; kept after the end, so that a late report is known as its holder's.
    pub lease: Option<Lease>,
    /// Somebody asked for the running job to be stopped.
    pub cancellation_requested: bool,
    /// How it ended, when it failed.
    pub failure: Option<Failure>,
}

impl Job {
    /// A new job that waits.
    #[must_use]
    pub const fn pending(id: JobId) -> Self {
        Self { id, status: Status::Pending, lease: None, cancellation_requested: false, failure: None }
    }
}

/// Why a command was not carried out. The job is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The command does not fit the job's state.
    #[error("the job is {0}")]
    WrongState(Status),
    /// The lease token is not the one of the job's lease.
    #[error("the lease token is not the one this job is held with")]
    StaleLease,
    /// Another worker holds the job.
    #[error("another worker holds this job")]
    LeaseHeld,
    /// The worker that holds the job has not been heard of since its lease ended.
    #[error("the worker that holds this job is lost; the job ends within moments and its retry policy decides")]
    WorkerLost,
    /// A worker without an agent holds the job: it can be asked to stop, not to pause.
    #[error("a worker without an agent holds this job, which cannot pause it; cancel works")]
    NotControllable,
}
