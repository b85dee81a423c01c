//! How a request becomes a job. Whoever asks, a person, a schedule, a chain, the portal, a webhook or a retry, these rules alone decide, so that
//! each job keeps what it was accepted with, and a later change of its automation changes none that waits.

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
    origin::Origin,
};
use super::Trigger;
use crate::{
    Fault,
    ids::{JobId, VersionId},
    json,
    policy::{Overrides, Policy, gives_up_at},
    retry::RetryPolicy,
};

/// What an automation says about its jobs at the moment of a request.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// It takes no more jobs.
    pub is_archived: bool,
    /// Where its jobs wait.
    pub queue_name: &'a str,
    /// 0 to 9.
    pub priority: i32,
    /// Used for parameters that a request does not give.
    pub default_params: &'a Map<String, Value>,
    /// When a failed job is run again.
    pub retry_policy: &'a RetryPolicy,
    /// How its jobs wait, start and end.
    pub policy: &'a Policy,
}

/// What is asked of an automation.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What the robot is to get, over the automation's defaults.
    pub parameters: Map<String, Value>,
    /// What this job does otherwise than its automation says.
    pub overrides: Overrides,
    /// What makes the request.
    pub trigger: Trigger,
    /// The version to run; `None`: what is installed on its worker.
    pub version_id: Option<VersionId>,
    /// The environment whose configuration it gets.
    pub environment: Option<String>,
    /// Who or what asks.
    pub origin: Origin,
}

/// What a job was accepted with, beside what its automation says at any time. Its retries have the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// Seconds until it is killed, in place of the automation's.
    pub timeout_s: Option<i64>,
    /// It fails when it has not started by then.
    pub queue_deadline_at: Option<DateTime<Utc>>,
    /// Attempts in all, in place of the policy's.
    pub max_attempts: Option<i32>,
    /// Seconds between asking it to stop and killing it, in place of the automation's.
    pub cancel_grace_s: Option<i64>,
    /// Jobs with the same key share a limit.
    pub concurrency_key: Option<String>,
    /// Labels its worker must have, sorted.
    pub requires: Vec<String>,
    /// The version of the automation that it runs; `None`: what is installed on its worker.
    pub version_id: Option<VersionId>,
    /// The environment whose configuration it gets.
    pub environment: Option<String>,
}

/// A job that may be added, unless others are in its way: that is judged in the transaction that adds it, with the others at hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// Where it waits.
    pub queue_name: String,
    /// What created it.
    pub trigger: Trigger,
    /// 0 to 9.
    pub priority: i32,
    /// What the robot gets.
    pub parameters: Map<String, Value>,
    /// 1 for a first run.
    pub attempt: i32,
    /// The job it runs again.
    pub retry_of: Option<JobId>,
    /// It does not start before this, which is in the future.
    pub not_before: Option<DateTime<Utc>>,
    /// Who or what asked for it.
    pub origin: Origin,
    /// What it was accepted with.
    pub terms: Terms,
}

/// Why a request is no job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The automation takes no more jobs.
    #[error("the automation is archived")]
    Archived,
    /// Parameters, as `parameters/…`, or overrides are wrong.
    #[error("{} fields are wrong", .0.len())]
    Invalid(Vec<Fault>),
    /// The automation's parameter schema cannot be used.
    #[error("the automation's parameter_schema cannot be used; change it: {0}")]
    SchemaUnusable(String),
    /// A replay cannot repair how this job failed.
    #[error("the job is {0} and did not fail because of this message")]
    NotDeadLettered(super::Status),
}

/// A parameter schema that is ready for use.
pub trait ParameterSchema {
    /// Checks complete parameters; faults have paths inside them.
    ///
    /// # Errors
    /// [`Rejection::Invalid`], or [`Rejection::SchemaUnusable`].
    fn check(&self, parameters: &Map<String, Value>) -> Result<(), Rejection>;
}

/// Accepts or rejects a request at `now`.
///
/// # Errors
/// The [`Rejection`], with every fault that was found at its stage: first overrides and what no parameter may be, then the schema, then the
/// concurrency key that is made of the parameters.
pub fn accept(rules: Rules<'_>, request: Request, schema: &impl ParameterSchema, now: DateTime<Utc>) -> Result<Accepted, Rejection> {
    Complete::new(rules, request).accept(rules, schema, now)
}

/// A request with the automation's defaults below its parameters: what a check of it will cost is known before it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Complete(Request);

impl Complete {
    /// Puts the defaults below the parameters.
    #[must_use]
    pub fn new(rules: Rules<'_>, request: Request) -> Self {
        if rules.default_params.is_empty() {
            return Self(request);
        }
        let mut parameters = rules.default_params.clone();
        parameters.extend(request.parameters);
        Self(Request { parameters, ..request })
    }

    /// What the robot is to get.
    #[must_use]
    pub const fn parameters(&self) -> &Map<String, Value> {
        &self.0.parameters
    }

    /// As [`accept`], with the rules that the defaults are of.
    ///
    /// # Errors
    /// As [`accept`].
    pub fn accept(self, rules: Rules<'_>, schema: &impl ParameterSchema, now: DateTime<Utc>) -> Result<Accepted, Rejection> {
        let Self(request) = self;
        if rules.is_archived {
            return Err(Rejection::Archived);
        }
        let mut faults = request.overrides.faults(now);
        faults.extend(request.origin.faults());
        faults.extend(origin::environment_fault(request.environment.as_deref()));
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
            origin: request.origin,
            terms: Terms { version_id: request.version_id, environment: request.environment, ..terms },
        })
    }
}

impl Rejection {
    /// The same rejection, whose faults are in the field `parent` of a larger request.
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
        requires: policy.requires.clone(),
        ..Terms::default()
    })
}
