//! Converts a job for its worker: a message for the broker, or an assignment for a claim. Both say how to run and stop the program.

use messages::{JobMessage, JsonObject};
use serde_json::{Map, Value};
use store::{automations::Automation, jobs::JobRow};

/// The message of a job.
pub(crate) fn job_message(automation: &Automation, row: &JobRow, parameters: Map<String, Value>) -> JobMessage {
    JobMessage {
        job_id: row.job.id.to_string(),
        automation_id: automation.id.get(),
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

/// The assignment of a held job; `None` for a job without a lease.
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
        traceparent: row.origin.traceparent.clone(),
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::policy::Policy;
    use store::{automations::Draft, jobs::Terms};
    use uuid::Uuid;

    use super::*;

    fn job() -> JobRow {
        test_support::new_job(Uuid::from_u128(9).into(), "q").row()
    }

    #[test]
    fn terms_of_a_job_override_its_automation() {
        let draft = Draft { timeout_s: Some(10), policy: Policy { cancel_grace_s: Some(5), ..Policy::default() }, ..Draft::default() };
        let now = DateTime::UNIX_EPOCH;
        let automation = Automation { id: 7.into(), draft, pause: None, archived_at: None, created_at: now, updated_at: now };
        let limits = |row: &JobRow| {
            let message = job_message(&automation, row, Map::new());
            (message.timeout_s, message.cancel_grace_s)
        };
        assert_eq!(limits(&job()), (10, Some(5)));
        let terms = Terms { timeout_s: Some(3), cancel_grace_s: Some(0), ..Terms::default() };
        assert_eq!(limits(&JobRow { terms, ..job() }), (3, Some(0)));
    }

    #[test]
    fn a_message_says_how_to_run_and_to_stop_the_program() {
        let limited =
            Policy { cancel_grace_s: Some(0), display: true, cpu_limit: Some(0.5), memory_limit_bytes: Some(1 << 53), ..Policy::default() };
        for (policy, expected) in
            [(limited, (Some(0), true, Some(0.5), Some(9_007_199_254_740_992.0))), (Policy::default(), (None, false, None, None))]
        {
            let now = DateTime::UNIX_EPOCH;
            let draft = Draft { policy, ..Draft::default() };
            let automation = Automation { id: 7.into(), draft, pause: None, archived_at: None, created_at: now, updated_at: now };
            let message = job_message(&automation, &job(), Map::new());
            assert_eq!((message.cancel_grace_s, message.display, message.cpu_limit, message.memory_limit_bytes), expected);
        }
    }
}
