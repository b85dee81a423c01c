//! The job's state machine: its states, who may change it, and what each change leads to.
//!
//! Every transition is a function of the job, the caller and the time. A terminal state is written once, and only the bearer of the current
//! lease changes a job that a registered worker holds.

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
        Accepted, Complete, Earlier, IdempotencyKey, Origin, ParameterSchema, Rejection, Request, Rules, Terms, accept, environment_fault,
        is_traceparent, next_attempt, replay,
    },
    control::CancelOutcome,
    error_class::{ErrorClass, known_classes},
    finish::{Failure, FinishOutcome, Outcome},
    lease::{Caller, Lease},
    start::StartOutcome,
    status::{Status, Trigger},
};

/// The state of a job that decides which transitions are allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Id, UUID v7.
    pub id: JobId,
    /// Status.
    pub status: Status,
    /// Lease of its worker; kept after the end, so that a late report of the holder is recognised.
    pub lease: Option<Lease>,
    /// Whether its cancellation was requested while it ran.
    pub cancellation_requested: bool,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl Job {
    /// A new pending job.
    #[must_use]
    pub const fn pending(id: JobId) -> Self {
        Self { id, status: Status::Pending, lease: None, cancellation_requested: false, failure: None }
    }
}

/// Why a command was refused. The job is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The command is not allowed in the job's state.
    #[error("the job is {0}")]
    WrongState(Status),
    /// The lease token is not that of the job's lease.
    #[error("the lease token is not that of the job's current lease")]
    StaleLease,
    /// Another worker holds the job.
    #[error("another worker holds this job")]
    LeaseHeld,
    /// The lease of the worker that holds the job has expired.
    #[error("the worker that holds this job is lost; the job ends shortly and its retry policy decides")]
    WorkerLost,
    /// A worker without our agent holds the job: it can cancel the job, not pause it.
    #[error("the worker that holds this job has no agent and cannot pause it; cancel works")]
    NotControllable,
}
