//! Acceptance: how a request becomes a job. All callers (people, schedules, chains, portal, webhooks, retries) use these rules, so that a
//! job is the same wherever it comes from. A job keeps the terms that it was accepted with: a later change of its automation does not
//! affect it.

mod again;
mod key;
mod origin;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

pub use self::{
    again::{Earlier, next_attempt, replay},
    key::IdempotencyKey,
    origin::{Origin, environment_fault, is_traceparent},
};
use super::Trigger;
use crate::{
    Fault,
    ids::{JobId, VersionId},
    json,
    policy::{Overlap, Overrides, Policy, gives_up_at},
    retry::RetryPolicy,
};

/// Settings of the automation at the time of the request.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Whether it accepts no more jobs.
    pub is_archived: bool,
    /// Queue of its jobs.
    pub queue_name: &'a str,
    /// 0 to 9.
    pub priority: i32,
    /// Values of parameters that a request omits.
    pub default_params: &'a Map<String, Value>,
    /// Whether and when a failed job is retried.
    pub retry_policy: &'a RetryPolicy,
    /// How its jobs are queued, started and ended.
    pub policy: &'a Policy,
}

/// A request for a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Parameters of the robot; they override the automation's defaults.
    pub parameters: Map<String, Value>,
    /// Settings of this job that override the automation's.
    pub overrides: Overrides,
    /// Kind of caller.
    pub trigger: Trigger,
    /// Version to run; `None`: the one that is installed on its worker.
    pub version_id: Option<VersionId>,
    /// Environment whose configuration it receives.
    pub environment: Option<String>,
    /// Who or what requests it.
    pub origin: Origin,
}

/// Settings that are fixed when a job is accepted. Its retries keep them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// Time limit in seconds; overrides the automation's.
    pub timeout_s: Option<i64>,
    /// When it fails with `QUEUE_TIMEOUT` unless it has started.
    pub queue_deadline_at: Option<DateTime<Utc>>,
    /// Maximum attempts; overrides the retry policy's.
    pub max_attempts: Option<i32>,
    /// Seconds that a canceled program has to stop before it is killed; overrides the automation's.
    pub cancel_grace_s: Option<i64>,
    /// Concurrency key: jobs with the same key share a limit.
    pub concurrency_key: Option<String>,
    /// Seconds before the second attempt; overrides the retry policy's.
    pub retry_backoff_s: Option<i64>,
    /// Maximum number of jobs of its schedule that run at the same time; `None`: its schedule has no limit, or it has no schedule.
    pub max_concurrency: Option<i32>,
    /// Labels that its worker must have, sorted.
    pub requires: Vec<String>,
    /// Version that it runs; `None`: the one that is installed on its worker.
    pub version_id: Option<VersionId>,
    /// Environment whose configuration it receives.
    pub environment: Option<String>,
}

/// A job that may be inserted. The overlap rule is applied later, in the transaction that inserts it, because it depends on other jobs.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// Queue of the job.
    pub queue_name: String,
    /// Kind of caller.
    pub trigger: Trigger,
    /// 0 to 9.
    pub priority: i32,
    /// Parameters that the robot receives.
    pub parameters: Map<String, Value>,
    /// Number of the attempt, from 1.
    pub attempt: i32,
    /// Job that it retries.
    pub retry_of: Option<JobId>,
    /// Earliest start, in the future; `None`: at once.
    pub not_before: Option<DateTime<Utc>>,
    /// What the request does while another job of the automation (with the same concurrency key) is pending or running.
    pub overlap: Overlap,
    /// Who or what requested it.
    pub origin: Origin,
    /// Settings that are fixed from now on.
    pub terms: Terms,
}

/// Why a request was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The automation accepts no more jobs.
    #[error("the automation is archived")]
    Archived,
    /// Parameters (as `parameters/…`) or overrides are invalid.
    #[error("{} fields are invalid", .0.len())]
    Invalid(Vec<Fault>),
    /// The automation's parameter schema cannot be used.
    #[error("the automation's parameter_schema cannot be used; change it: {0}")]
    SchemaUnusable(String),
    /// The job did not fail because of the message to replay.
    #[error("the job is {0} and did not fail because of this message")]
    NotDeadLettered(super::Status),
}

/// A compiled parameter schema.
pub trait ParameterSchema {
    /// Validates complete parameters; paths of faults are relative to them.
    ///
    /// # Errors
    /// [`Rejection::Invalid`], or [`Rejection::SchemaUnusable`].
    fn check(&self, parameters: &Map<String, Value>) -> Result<(), Rejection>;
}

/// Accepts or rejects a request at `now`.
///
/// # Errors
/// The [`Rejection`] with every fault of the stage that failed. The stages are: overrides and values that no parameter may have; the
/// schema; the concurrency key.
pub fn accept(rules: Rules<'_>, request: Request, schema: &impl ParameterSchema, now: DateTime<Utc>) -> Result<Accepted, Rejection> {
    Complete::new(rules, request).accept(rules, schema, now)
}

/// A request whose parameters are completed with the automation's defaults, so that the cost of validating them can be computed first.
#[derive(Clone, Debug, PartialEq)]
pub struct Complete(Request);

impl Complete {
    /// Completes the parameters with the defaults.
    #[must_use]
    pub fn new(rules: Rules<'_>, request: Request) -> Self {
        if rules.default_params.is_empty() {
            return Self(request);
        }
        let mut parameters = rules.default_params.clone();
        parameters.extend(request.parameters);
        Self(Request { parameters, ..request })
    }

    /// The complete parameters.
    #[must_use]
    pub const fn parameters(&self) -> &Map<String, Value> {
        &self.0.parameters
    }

    /// [`accept`] for completed parameters; `rules` must be those that completed them.
    ///
    /// # Errors
    /// As [`accept`].
    pub fn accept(self, rules: Rules<'_>, schema: &impl ParameterSchema, now: DateTime<Utc>) -> Result<Accepted, Rejection> {
        let Self(request) = self;
        if rules.is_archived {
            return Err(Rejection::Archived);
        }
        let mut faults = request.overrides.faults(now);
        if request.overrides.max_concurrency.is_some() && request.origin.schedule_id.is_none() {
            faults.push(Fault::new("max_concurrency", "needs a schedule_id: it limits the jobs of a schedule"));
        }
        faults.extend(request.origin.faults());
        faults.extend(environment_fault(request.environment.as_deref()));
        faults.extend(json::unkept(&request.parameters).into_iter().map(|fault| fault.under("parameters")));
        if !faults.is_empty() {
            return Err(Rejection::Invalid(faults));
        }
        schema.check(&request.parameters).map_err(|rejection| rejection.under("parameters"))?;
        let terms = terms(rules.policy, &request, now).map_err(|fault| Rejection::Invalid(vec![fault]))?;
        Ok(Accepted {
            queue_name: rules.queue_name.to_owned(),
            trigger: request.trigger,
            priority: request.overrides.priority.unwrap_or(rules.priority),
            parameters: request.parameters,
            attempt: 1,
            retry_of: None,
            not_before: request.overrides.not_before.filter(|at| *at > now),
            overlap: request.overrides.overlap.unwrap_or(rules.policy.overlap),
            origin: request.origin,
            terms: Terms { version_id: request.version_id, environment: request.environment, ..terms },
        })
    }
}

impl Rejection {
    /// The same rejection with its faults under the field `parent` of a larger request.
    #[must_use]
    pub fn under(self, parent: &str) -> Self {
        match self {
            Self::Invalid(faults) => Self::Invalid(faults.into_iter().map(|fault| fault.under(parent)).collect()),
            other => other,
        }
    }
}

fn terms(policy: &Policy, request: &Request, now: DateTime<Utc>) -> Result<Terms, Fault> {
    let overrides = &request.overrides;
    let concurrency_key = match (&overrides.concurrency_key, &policy.concurrency_key) {
        (Some(key), _) => Some(key.clone()),
        (None, Some(template)) => Some(template.render(&request.parameters)?),
        (None, None) => None,
    };
    Ok(Terms {
        timeout_s: overrides.timeout_s,
        queue_deadline_at: gives_up_at(now, overrides.not_before, overrides.queue_timeout_s.or(policy.queue_timeout_s)),
        max_attempts: overrides.max_attempts.and_then(|attempts| i32::try_from(attempts).ok()),
        cancel_grace_s: overrides.cancel_grace_s,
        concurrency_key,
        retry_backoff_s: overrides.retry_backoff_s,
        max_concurrency: overrides.max_concurrency.and_then(|jobs| i32::try_from(jobs).ok()),
        requires: policy.requires.clone(),
        ..Terms::default()
    })
}
