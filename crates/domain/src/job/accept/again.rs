//! Further attempts of an accepted job: by its retry policy, or as a replay of its dead-lettered message. They keep the terms that the
//! first attempt was accepted with. The terms are not validated again, so that a change of the automation cannot break a retry.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Map;

use super::{Accepted, Origin, Rejection, Rules, Terms};
use crate::{
    ids::JobId,
    job::{ErrorClass, Job, Status, Trigger},
    policy::gives_up_at,
    retry::{self, Attempt},
};

/// The job to run again.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// State and failure.
    pub job: &'a Job,
    /// Number of its attempt.
    pub attempt: i32,
    /// Queue that it was dispatched through.
    pub queue_name: &'a str,
    /// 0 to 9.
    pub priority: i32,
    /// Who or what requested it.
    pub origin: &'a Origin,
    /// Terms that it was accepted with.
    pub terms: &'a Terms,
}

/// The next attempt of a failed job, if its retry policy allows one. The caller fills in the parameters of the job. `random` in 0–1 places
/// the delay within its jitter.
#[must_use]
pub fn next_attempt(earlier: Earlier<'_>, rules: Rules<'_>, random: f64, now: DateTime<Utc>) -> Option<Accepted> {
    let failure = earlier.job.failure.as_ref()?;
    // It failed before the cancel took effect, so it must not run again.
    if earlier.job.cancellation_requested {
        return None;
    }
    let number = u32::try_from(earlier.attempt).unwrap_or(1);
    let max_attempts = earlier.terms.max_attempts.and_then(|most| u32::try_from(most).ok());
    let backoff_s = earlier.terms.retry_backoff_s.and_then(|seconds| u32::try_from(seconds).ok());
    let attempt = Attempt { number, class: failure.class, max_attempts, backoff_s };
    let delay = retry::next_delay(rules.retry_policy, rules.policy.on_worker_lost, attempt, random)?;
    let not_before = Some(now + TimeDelta::from_std(delay).unwrap_or_default());
    let queue_deadline_at = gives_up_at(now, not_before, rules.policy.queue_timeout_s);
    let again = again(earlier, rules, earlier.origin.clone());
    Some(Accepted { not_before, terms: Terms { queue_deadline_at, ..again.terms }, ..again })
}

/// The job that replaces one whose message was dead-lettered; it may start at once. The caller fills in the parameters of the job.
///
/// # Errors
/// [`Rejection::Archived`], or [`Rejection::NotDeadLettered`] when the job did not fail because of the message.
pub fn replay(earlier: Earlier<'_>, rules: Rules<'_>, requested_by: String) -> Result<Accepted, Rejection> {
    let job = earlier.job;
    let is_dead_lettered = job.failure.as_ref().is_some_and(|failure| failure.class == ErrorClass::DeadLettered);
    if job.status != Status::Failed || !is_dead_lettered {
        return Err(Rejection::NotDeadLettered(job.status));
    }
    if rules.is_archived {
        return Err(Rejection::Archived);
    }
    Ok(again(earlier, rules, Origin { requested_by: Some(requested_by), ..earlier.origin.clone() }))
}

fn again(earlier: Earlier<'_>, rules: Rules<'_>, origin: Origin) -> Accepted {
    let retry_of: Option<JobId> = Some(earlier.job.id);
    Accepted {
        queue_name: earlier.queue_name.to_owned(),
        trigger: Trigger::Retry,
        priority: earlier.priority,
        parameters: Map::new(),
        attempt: earlier.attempt.saturating_add(1),
        retry_of,
        not_before: None,
        overlap: rules.policy.overlap,
        origin,
        terms: Terms { queue_deadline_at: None, ..earlier.terms.clone() },
    }
}
