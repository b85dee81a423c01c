//! Accepting a job.

use chrono::{DateTime, Utc};
use domain::{
    Fault, Scope,
    ids::AutomationId,
    job::Trigger,
    policy::{Overrides, gives_up_at},
};
use runtime::Failure;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use store::{
    automations::Automation,
    jobs::{Idempotent, JobRow, NewJob, Origin, Terms},
};
use uuid::Uuid;

use super::convert;
use crate::{Orchestrator, automations, writer::differs};

/// Longest idempotency key, in bytes.
const MAX_KEY: usize = 255;

/// A request to run an automation.
pub(crate) struct Execution {
    pub(crate) automation_id: AutomationId,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) overrides: Overrides,
    pub(crate) idempotency_key: Option<String>,
    /// Where the key was given.
    pub(crate) key_field: &'static str,
    pub(crate) trigger: Trigger,
    /// Who asks.
    pub(crate) requested_by: String,
    /// The job that this one runs again.
    pub(crate) retry_of: Option<Uuid>,
    /// As in [`Terms`].
    pub(crate) version_id: Option<Uuid>,
    /// As in [`Terms`].
    pub(crate) environment: Option<String>,
    /// The parameters are a field of this name in the request, and not its whole.
    pub(crate) parameters_field: bool,
}

impl Orchestrator {
    /// Accepts a job: when this returns, it is in the database. The flag says that it had been accepted before under the same key.
    pub(crate) async fn execute(&self, execution: Execution) -> Result<(api_types::Job, bool), Failure> {
        let id = execution.automation_id;
        let entry = self.catalog.get(id).await?.ok_or_else(|| automations::not_found(id))?;
        let automation = &entry.automation;
        // The order of ids is that of acceptance: an id is never younger than its job.
        let (job_id, now) = (Uuid::now_v7(), (self.clock)());
        let digest = execution.idempotency_key.as_ref().map(|_| digest(&execution.parameters, &execution.overrides));
        if let Some(key) = &execution.idempotency_key {
            check_key(key, execution.key_field)?;
            // Before everything that may have changed since: whoever asks again did not get the answer to what was accepted.
            if let Some(known) = self.accepted_under(id, key).await? {
                let differs = differs(known.request_digest.as_deref(), digest.as_deref());
                return if differs { Err(other_request(execution.key_field)) } else { Ok((self.job(known.job_id).await?, true)) };
            }
        }
        if automation.archived_at.is_some() {
            return Err(Failure::conflict("automation_archived", format!("automation {id} is archived")));
        }
        let named = |fault: Fault| if execution.parameters_field { fault.under("parameters") } else { fault };
        let mut parameters = automation.draft.default_params.clone();
        parameters.extend(execution.parameters);
        let mut faults = execution.overrides.faults(now);
        faults.extend(automations::unkept("", &parameters).map(named));
        if !faults.is_empty() {
            return Err(Failure::Invalid(faults));
        }
        let parameters = self.catalog.check(&entry, parameters).await.map_err(|failure| match failure {
            Failure::Invalid(faults) => Failure::Invalid(faults.into_iter().map(named).collect()),
            other => other,
        })?;
        let Overrides { priority, not_before, .. } = execution.overrides;
        let terms = terms(automation, &execution.overrides, &parameters, now).map_err(|fault| {
            // What the key is made of stands below the parameters.
            let inner = fault.field.strip_prefix("parameters/").filter(|_| !execution.parameters_field);
            Failure::Invalid(vec![Fault::new(inner.unwrap_or(&fault.field), fault.message.clone())])
        })?;
        let new = NewJob {
            id: job_id,
            automation_id: id,
            queue_name: automation.draft.queue_name.clone(),
            trigger: execution.trigger,
            priority: priority.unwrap_or(automation.draft.priority),
            parameters,
            attempt: 1,
            retry_of: execution.retry_of,
            idempotency_key: execution.idempotency_key,
            request_digest: digest,
            created_at: now,
            not_before: not_before.filter(|at| *at > now),
            dispatch_started_at: None,
            origin: Origin { requested_by: Some(execution.requested_by), ..Origin::default() },
            terms: Terms { version_id: execution.version_id, environment: execution.environment, ..terms },
        };
        let inserted = self.writer.insert(new.clone()).await?;
        if inserted.differs {
            return Err(other_request(execution.key_field));
        }
        if inserted.id != new.id {
            return Ok((self.job(inserted.id).await?, inserted.replayed));
        }
        Ok((convert::new_job(new), false))
    }

    /// The job that was accepted under this key.
    async fn accepted_under(&self, automation_id: AutomationId, key: &str) -> Result<Option<Idempotent>, Failure> {
        let txn = self.database.begin_lazily();
        Ok(store::jobs::job_find_idempotent_unscoped(&txn, &[(automation_id, key.to_owned())]).await?.pop())
    }

    /// A job without its payload.
    pub(crate) async fn job_row(&self, id: Uuid) -> Result<JobRow, Failure> {
        store::jobs::job_get_row(&self.database, &Scope::All, id).await?.ok_or_else(|| Failure::NotFound(format!("job {id}")))
    }

    pub(crate) async fn job(&self, id: Uuid) -> Result<api_types::Job, Failure> {
        let job = store::jobs::job_get(&self.database, &Scope::All, id).await?;
        job.map(convert::job).ok_or_else(|| Failure::NotFound(format!("job {id}")))
    }
}

/// The name of the header for the key, as people write it.
pub(crate) const KEY_HEADER: &str = "Idempotency-Key";

/// What is wrong with an idempotency key.
fn check_key(key: &str, field: &'static str) -> Result<(), Failure> {
    let rule = match key {
        "" => format!("must have 1 to {MAX_KEY} bytes"),
        key if key.len() > MAX_KEY => format!("must have 1 to {MAX_KEY} bytes"),
        key if key.contains('\0') => "must not contain NUL characters".to_owned(),
        _ => return Ok(()),
    };
    let header = || Failure::BadRequest(format!("the header {KEY_HEADER} {rule}"));
    Err(if field == KEY_HEADER { header() } else { Failure::field(field, rule.clone()) })
}

fn other_request(field: &str) -> Failure {
    let message = "was used before with other parameters or options: use another key, or send the request again as it was";
    Failure::field(field, message)
}

/// A digest of what is asked, as it was sent: defaults of the automation may change between a request and its repetition.
fn digest(parameters: &Map<String, Value>, overrides: &Overrides) -> String {
    let Overrides { priority, timeout_s, queue_timeout_s, max_attempts, cancel_grace_s, concurrency_key, not_before } = overrides;
    let asked =
        serde_json::json!([parameters, priority, timeout_s, queue_timeout_s, max_attempts, cancel_grace_s, concurrency_key, not_before]);
    Sha256::digest(asked.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the job is accepted with.
fn terms(automation: &Automation, overrides: &Overrides, parameters: &Map<String, Value>, now: DateTime<Utc>) -> Result<Terms, Fault> {
    let policy = &automation.draft.policy;
    let concurrency_key = match (&overrides.concurrency_key, &policy.concurrency_key) {
        (Some(key), _) => Some(key.clone()),
        (None, Some(template)) => Some(template.render(parameters)?),
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
