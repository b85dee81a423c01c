//! The one door through which jobs come to be. The orchestrator is behind it; a schedule, a chain, a portal or a webhook asks here as a person's
//! request does, whether the orchestrator runs in the same process or apart.

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
    /// What is asked of it, by whom.
    pub request: Request,
    /// Makes the same request, sent again, return the same job.
    pub key: Option<IdempotencyKey>,
}

/// What became of a request that was not refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Intake {
    /// A new job, which is committed.
    Accepted(Job),
    /// The job that was accepted before under the same key, or that waits and is the request's too by its automation's overlap rule.
    Existing(Job),
    /// No job, by its automation's overlap rule: this one waits or runs.
    Skipped(JobId),
}

/// Accepts jobs.
pub trait JobIntake: Send + Sync {
    /// Accepts a job: when this returns, it is committed. Not asked under a key, a request that was not answered may have made a job.
    ///
    /// # Errors
    /// [`Failure::NotFound`] for an unknown automation, [`Failure::Invalid`] with each fault (parameters as `parameters/…`), a
    /// [`Failure::Conflict`] `automation_archived` or `schema_unusable`, and [`Failure::Overloaded`] or [`Failure::Unavailable`], after which the
    /// same request may be sent again.
    fn accept(&self, ask: Ask) -> BoxFuture<'_, Result<Intake, Failure>>;
}
