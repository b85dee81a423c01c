//! From rows to what travels.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    job::Trigger,
    policy::gives_up_at,
    retry::{self, Attempt},
};
use messages::{JobMessage, JsonObject};
use serde_json::{Map, Value};
use store::{
    automations::Automation,
    job_logs::Line,
    jobs::{FullJob, JobRow, NewJob, Terms},
    queues::Queue,
};
use uuid::Uuid;

/// An automation as it is at `now`: a pause that has ended is none.
pub(crate) fn automation(from: &Automation, now: DateTime<Utc>) -> api_types::Automation {
    let draft = from.draft.clone();
    let policy = draft.policy;
    let pause = from.pause.clone().filter(|pause| pause.holds(now));
    api_types::Automation {
        id: from.id,
        name: draft.name,
        description: draft.description,
        queue_name: draft.queue_name,
        queue_profile: draft.queue_profile,
        entrypoint_type: draft.entrypoint_type,
        script_path: draft.script_path,
        parameter_schema: draft.parameter_schema,
        default_params: draft.default_params,
        timeout_s: draft.timeout_s,
        max_concurrency: draft.max_concurrency,
        priority: draft.priority,
        retry_policy: draft.retry_policy,
        queue_timeout_s: policy.queue_timeout_s,
        cancel_grace_s: policy.cancel_grace_s,
        concurrency_key: policy.concurrency_key.map(|key| key.to_string()),
        concurrency_key_limit: policy.concurrency_key_limit,
        rate_limit: policy.rate_limit,
        overlap: policy.overlap,
        on_worker_lost: policy.on_worker_lost,
        requires: policy.requires,
        display: policy.display,
        cpu_limit: policy.cpu_limit,
        memory_limit_bytes: policy.memory_limit_bytes,
        paused_at: pause.as_ref().map(|pause| pause.at),
        paused_until: pause.as_ref().and_then(|pause| pause.until),
        paused_reason: pause.as_ref().and_then(|pause| pause.reason.clone()),
        paused_by: pause.map(|pause| pause.by),
        archived_at: from.archived_at,
        created_at: from.created_at,
        updated_at: from.updated_at,
        warnings: Vec::new(),
    }
}

/// A queue as it is at `now`: a pause that has ended is none.
pub(crate) fn queue(from: Queue, now: DateTime<Utc>) -> api_types::Queue {
    let pause = from.pause.filter(|pause| pause.holds(now));
    api_types::Queue {
        name: from.name,
        waiting: from.waiting,
        running: from.running,
        paused_at: pause.as_ref().map(|pause| pause.at),
        paused_until: pause.as_ref().and_then(|pause| pause.until),
        paused_reason: pause.as_ref().and_then(|pause| pause.reason.clone()),
        paused_by: pause.map(|pause| pause.by),
    }
}

pub(crate) fn job(from: FullJob) -> api_types::Job {
    let FullJob { row, parameters } = from;
    let (error_class, error_message) = row.job.failure.map(|failure| (failure.class, failure.message)).unzip();
    api_types::Job {
        id: row.job.id,
        job_id: row.job.id,
        automation_id: row.automation_id,
        queue_name: row.queue_name,
        status: row.job.status,
        trigger: row.trigger,
        priority: row.priority,
        parameters,
        result: row.result,
        error_class,
        error_message,
        attempt: row.attempt,
        retry_of: row.retry_of,
        worker_id: row.job.lease.as_ref().and_then(|lease| lease.worker_id),
        progress: row.progress.and_then(|progress| serde_json::from_value(progress).ok()),
        created_at: row.created_at,
        not_before: row.not_before,
        dispatched_at: row.dispatched_at,
        started_at: row.started_at,
        completed_at: row.completed_at,
        last_heartbeat_at: row.last_heartbeat_at,
        lease_expires_at: row.job.lease.filter(|_| row.job.status.is_held()).map(|lease| lease.expires_at),
        cancellation_requested_at: row.cancellation_requested_at,
        paused_at: row.paused_at,
        concurrency_key: row.terms.concurrency_key,
        requires: row.terms.requires,
        queue_deadline_at: row.terms.queue_deadline_at,
        waiting_reason: None,
    }
}

/// A job that was accepted just now.
pub(crate) fn new_job(new: NewJob) -> api_types::Job {
    job(FullJob { row: new.row(), parameters: new.parameters })
}

pub(crate) fn log_line((log_id, line): (i64, Line)) -> api_types::LogLine {
    api_types::LogLine { log_id, timestamp: line.timestamp, level: line.level, message: line.message, actionable: line.actionable }
}

/// The message of a job.
pub(crate) fn job_message(automation: &Automation, row: &JobRow, parameters: Map<String, Value>) -> JobMessage {
    JobMessage {
        job_id: row.job.id.to_string(),
        automation_id: automation.id,
        script_path: automation.draft.script_path.clone(),
        parameters: Some(JsonObject(parameters)),
        entrypoint_type: automation.draft.entrypoint_type.as_str().to_owned(),
        automation_name: automation.draft.name.clone(),
        queue_name: row.queue_name.clone(),
        timeout_s: timeout(row, automation),
        attempt: u32::try_from(row.attempt).unwrap_or(1),
        priority: row.priority,
        cancel_grace_s: cancel_grace(row, automation),
        display: automation.draft.policy.display,
        cpu_limit: automation.draft.policy.cpu_limit,
        // Exact: an automation's limit is at most 2^53.
        memory_limit_bytes: automation.draft.policy.memory_limit_bytes.map(|bytes| bytes as f64),
    }
}

/// What a claiming worker gets of a job that it holds; `None` for a job that nobody holds.
pub(crate) fn assignment(row: &JobRow, automation: &Automation, parameters: Map<String, Value>) -> Option<api_types::JobAssignment> {
    let lease = row.job.lease.as_ref()?;
    Some(api_types::JobAssignment {
        job_id: row.job.id,
        automation_id: automation.id,
        automation_name: automation.draft.name.clone(),
        queue_name: row.queue_name.clone(),
        script_path: automation.draft.script_path.clone(),
        entrypoint_type: automation.draft.entrypoint_type.as_str().to_owned(),
        parameters,
        timeout_s: timeout(row, automation),
        attempt: u32::try_from(row.attempt).unwrap_or(1),
        cancel_grace_s: cancel_grace(row, automation),
        display: automation.draft.policy.display,
        cpu_limit: automation.draft.policy.cpu_limit,
        memory_limit_bytes: automation.draft.policy.memory_limit_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        lease_token: lease.token,
        lease_expires_at: lease.expires_at,
    })
}

fn timeout(row: &JobRow, automation: &Automation) -> u32 {
    row.terms.timeout_s.or(automation.draft.timeout_s).and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(0)
}

fn cancel_grace(row: &JobRow, automation: &Automation) -> Option<u32> {
    row.terms.cancel_grace_s.or(automation.draft.policy.cancel_grace_s).and_then(|seconds| u32::try_from(seconds).ok())
}

/// The next attempt of a job that failed, when its automation's policy wants one; its parameters are still to be filled in.
pub(crate) fn retry_of(row: &JobRow, automation: &Automation, random: f64, now: DateTime<Utc>) -> Option<NewJob> {
    let failure = row.job.failure.as_ref()?;
    // It failed before it could be stopped: whoever wanted that does not want it run again.
    if row.job.cancellation_requested {
        return None;
    }
    let number = u32::try_from(row.attempt).unwrap_or(1);
    let attempt = Attempt { number, class: failure.class, max_attempts: row.terms.max_attempts.and_then(|most| u32::try_from(most).ok()) };
    let draft = &automation.draft;
    let delay = retry::next_delay(&draft.retry_policy, draft.policy.on_worker_lost, attempt, random)?;
    let not_before = Some(now + TimeDelta::from_std(delay).unwrap_or_default());
    Some(NewJob {
        id: Uuid::now_v7(),
        automation_id: row.automation_id,
        queue_name: row.queue_name.clone(),
        trigger: Trigger::Retry,
        priority: row.priority,
        parameters: Map::new(),
        attempt: row.attempt + 1,
        retry_of: Some(row.job.id),
        idempotency_key: None,
        request_digest: None,
        created_at: now,
        not_before,
        dispatch_started_at: None,
        terms: Terms { queue_deadline_at: gives_up_at(now, not_before, draft.policy.queue_timeout_s), ..row.terms.clone() },
    })
}

#[cfg(test)]
mod tests {
    use domain::{
        job::{ErrorClass, Failure},
        policy::Policy,
        retry::RetryPolicy,
    };
    use store::automations::Draft;

    use super::*;

    fn job() -> JobRow {
        NewJob {
            id: Uuid::from_u128(9),
            automation_id: 7,
            queue_name: "q".to_owned(),
            trigger: Trigger::Api,
            priority: 5,
            parameters: Map::new(),
            attempt: 1,
            retry_of: None,
            idempotency_key: None,
            request_digest: None,
            created_at: DateTime::UNIX_EPOCH,
            not_before: None,
            dispatch_started_at: None,
            terms: Terms::default(),
        }
        .row()
    }

    #[test]
    fn what_a_job_was_accepted_with_goes_before_its_automation() {
        let draft = Draft { timeout_s: Some(10), policy: Policy { cancel_grace_s: Some(5), ..Policy::default() }, ..Draft::default() };
        let now = DateTime::UNIX_EPOCH;
        let automation = Automation { id: 7, draft, pause: None, archived_at: None, created_at: now, updated_at: now };
        let told = |row: &JobRow| {
            let message = job_message(&automation, row, Map::new());
            (message.timeout_s, message.cancel_grace_s)
        };
        assert_eq!(told(&job()), (10, Some(5)));
        let terms = Terms { timeout_s: Some(3), cancel_grace_s: Some(0), ..Terms::default() };
        assert_eq!(told(&JobRow { terms, ..job() }), (3, Some(0)));
    }

    #[test]
    fn what_somebody_stopped_is_not_run_again_however_it_failed() {
        let now = DateTime::UNIX_EPOCH;
        let draft = Draft { retry_policy: RetryPolicy { max_attempts: 8, ..RetryPolicy::default() }, ..Draft::default() };
        let automation = Automation { id: 7, draft, pause: None, archived_at: None, created_at: now, updated_at: now };
        let mut failed = job();
        failed.job.failure = Some(Failure { class: ErrorClass::Killed, message: String::new() });
        assert_eq!(retry_of(&failed, &automation, 0.5, now).map(|retry| retry.attempt), Some(2));
        failed.job.cancellation_requested = true;
        assert_eq!(retry_of(&failed, &automation, 0.5, now).map(|retry| retry.attempt), None);
    }

    #[test]
    fn a_message_says_how_to_run_and_to_stop_the_program() {
        let limited =
            Policy { cancel_grace_s: Some(0), display: true, cpu_limit: Some(0.5), memory_limit_bytes: Some(1 << 53), ..Policy::default() };
        for (policy, told) in
            [(limited, (Some(0), true, Some(0.5), Some(9_007_199_254_740_992.0))), (Policy::default(), (None, false, None, None))]
        {
            let now = DateTime::UNIX_EPOCH;
            let draft = Draft { policy, ..Draft::default() };
            let automation = Automation { id: 7, draft, pause: None, archived_at: None, created_at: now, updated_at: now };
            let message = job_message(&automation, &job(), Map::new());
            assert_eq!((message.cancel_grace_s, message.display, message.cpu_limit, message.memory_limit_bytes), told);
        }
    }
}
