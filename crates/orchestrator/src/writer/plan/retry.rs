//! Automatic retries. A job's failure and its retry are one transaction, so that no crash can lose the retry.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{ids::JobId, job::Trigger};
use serde_json::{Map, Value};
use store::{
    automations::Automation,
    jobs::{JobRow, NewJob},
};

use super::{Chance, Plan};

impl Plan<'_> {
    /// Applies the retry policy to a failed job, at once, so that later commands of the transaction see the retry.
    pub(super) fn retry(&mut self, failed: JobId) {
        let (view, chance) = (self.circumstances.view, self.circumstances.chance);
        let Some(row) = self.rows.get(failed) else { return };
        let Some(entry) = view.automations.get(row.automation_id) else { return };
        if let Some(retry) = next_attempt(row, &entry.automation, chance, view.now) {
            self.facts.retried.push(failed);
            self.add(retry);
        }
    }

    /// Jobs to retry, whose parameters must be read for [`Plan::add_parameters`].
    pub(in crate::writer) fn retried(&self) -> &[JobId] {
        &self.facts.retried
    }

    pub(in crate::writer) fn add_parameters(&mut self, parameters: Vec<(JobId, Map<String, Value>)>) {
        let mut parameters: HashMap<JobId, Map<String, Value>> = parameters.into_iter().collect();
        for retry in self.rows.new_jobs_mut().iter_mut().filter(|new| new.trigger == Trigger::Retry) {
            if let Some(parameters) = retry.retry_of.and_then(|id| parameters.remove(&id)) {
                retry.parameters = parameters;
            }
        }
    }
}

/// The next attempt of a failed job, if its policy allows one; its parameters are filled in later.
fn next_attempt(row: &JobRow, automation: &Automation, chance: Chance<'_>, now: DateTime<Utc>) -> Option<NewJob> {
    let accepted = domain::job::next_attempt(row.earlier(), automation.rules(), (chance.fraction)(), now)?;
    Some(NewJob::new((chance.id)().into(), row.automation_id, accepted, now))
}

#[cfg(test)]
mod tests {
    use domain::{
        job::{ErrorClass, Failure},
        retry::RetryPolicy,
    };
    use store::{
        automations::Draft,
        jobs::{Origin, Terms},
    };

    use uuid::Uuid;

    use super::*;

    const CHANCE: Chance<'static> = Chance { id: &Uuid::now_v7, fraction: &|| 0.5 };

    fn job() -> JobRow {
        test_support::new_job(Uuid::from_u128(9).into(), "q").row()
    }

    #[test]
    fn the_next_attempt_runs_the_same_version_in_the_same_environment_for_the_same_person() {
        let now = DateTime::UNIX_EPOCH;
        let draft = Draft { retry_policy: RetryPolicy { max_attempts: 2, ..RetryPolicy::default() }, ..Draft::default() };
        let automation = Automation { id: 7.into(), draft, pause: None, archived_at: None, created_at: now, updated_at: now };
        let mut failed = job();
        failed.job.failure = Some(Failure { class: ErrorClass::Killed, message: String::new() });
        failed.origin = Origin { requested_by: Some("ana".to_owned()), ..Origin::default() };
        failed.terms = Terms { version_id: Some(Uuid::from_u128(3).into()), environment: Some("HML".to_owned()), ..Terms::default() };
        let retry = next_attempt(&failed, &automation, CHANCE, now).unwrap();
        assert_eq!((retry.origin, retry.terms), (failed.origin, failed.terms));
    }

    #[test]
    fn a_job_with_a_cancel_request_is_not_retried() {
        let now = DateTime::UNIX_EPOCH;
        let draft = Draft { retry_policy: RetryPolicy { max_attempts: 8, ..RetryPolicy::default() }, ..Draft::default() };
        let automation = Automation { id: 7.into(), draft, pause: None, archived_at: None, created_at: now, updated_at: now };
        let mut failed = job();
        failed.job.failure = Some(Failure { class: ErrorClass::Killed, message: String::new() });
        assert_eq!(next_attempt(&failed, &automation, CHANCE, now).map(|retry| retry.attempt), Some(2));
        failed.job.cancellation_requested = true;
        assert_eq!(next_attempt(&failed, &automation, CHANCE, now).map(|retry| retry.attempt), None);
    }
}
