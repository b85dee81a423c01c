//! The intake of jobs: the only way to create one. The orchestrator implements it. Schedules, chains, the portal and webhooks use it like a
//! person's request, whether the orchestrator runs in the same process or in another.

pub(crate) mod remote;

use api_types::Job;
use domain::{
    ids::{AutomationId, JobId},
    job::{IdempotencyKey, Request},
};
use futures_util::future::BoxFuture;

use crate::Failure;

/// A request for a job of an automation.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Which automation.
    pub automation_id: AutomationId,
    /// The request and its origin.
    pub request: Request,
    /// Makes the request repeatable: the same key returns the same job.
    pub key: Option<IdempotencyKey>,
}

/// Outcome of a request that was not refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Intake {
    /// A new job; it is committed.
    Accepted(Job),
    /// The job that was accepted before with the same key, or the pending job to which the overlap rule assigns the request.
    Existing(Job),
    /// No job: the overlap rule skipped the request because of this pending or running job.
    Skipped(JobId),
}

/// Accepts jobs.
pub trait JobIntake: Send + Sync {
    /// Accepts a job; it is committed when this returns. A request without a key that was not answered may have created a job.
    ///
    /// # Errors
    /// [`Failure::NotFound`] for an unknown automation, [`Failure::Invalid`] with each fault (parameters as `parameters/…`), a
    /// [`Failure::Conflict`] `automation_archived` or `schema_unusable`, and [`Failure::Overloaded`], [`Failure::Unavailable`] (the database) or
    /// [`Failure::Away`] (the orchestrator), after which the same request may be repeated.
    fn accept(&self, ask: Ask) -> BoxFuture<'_, Result<Intake, Failure>>;
}
