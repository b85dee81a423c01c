//! The orchestrator's side of [`JobIntake`]: what [`domain::job::accept`] decides becomes a row, unless others are in its way.

use domain::{
    Scope,
    ids::{AutomationId, JobId},
    job::{Accepted, Request, Trigger},
    policy::Overrides,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use runtime::{Ask, Failure, Intake, JobIntake, OVERLAP_SKIPPED};
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::jobs::{Idempotent, JobRow, NewJob};
use uuid::Uuid;

use super::convert;
use crate::{
    Orchestrator, automations,
    writer::{Inserted, differs},
};

impl JobIntake for Orchestrator {
    fn accept(&self, ask: Ask) -> BoxFuture<'_, Result<Intake, Failure>> {
        let is_retry = ask.request.trigger == Trigger::Retry;
        let accepted = async move { if is_retry { Err(no_retry()) } else { self.take_in(ask, None).await } };
        accepted.boxed()
    }
}

impl Orchestrator {
    /// Accepts a job, which runs another again when there is one.
    pub(crate) async fn take_in(&self, ask: Ask, retry_of: Option<JobId>) -> Result<Intake, Failure> {
        let Ask { automation_id: id, request, key } = ask;
        let entry = self.catalog.get(id).await?.ok_or_else(|| automations::not_found(id))?;
        // The order of ids is that of acceptance: an id is never younger than its job.
        let (job_id, now) = (Uuid::now_v7(), (self.clock)());
        let digest = key.as_ref().map(|_| digest(&request));
        if let Some(key) = &key {
            // Before everything that may have changed since: whoever asks again did not get the answer to what was accepted.
            if let Some(known) = self.accepted_under(id, key.as_str()).await? {
                let differs = differs(known.request_digest.as_deref(), digest.as_deref());
                return if differs { Err(other_request()) } else { Ok(Intake::Existing(self.job(known.job_id).await?)) };
            }
        }
        let accepted = Accepted { retry_of, ..self.catalog.accept(&entry, request, now).await? };
        let new = NewJob { idempotency_key: key.map(Into::into), request_digest: digest, ..NewJob::new(job_id, id, accepted, now) };
        match self.writer.insert(new.clone()).await {
            Ok(Inserted { differs: true, .. }) => Err(other_request()),
            Ok(inserted) if inserted.id == new.id => Ok(Intake::Accepted(convert::new_job(new))),
            Ok(Inserted { id, replayed: true, .. }) => Ok(Intake::Existing(self.job(id).await?)),
            Ok(Inserted { id, .. }) => Ok(Intake::Accepted(self.job(id).await?)),
            Err(Failure::Conflict { code: OVERLAP_SKIPPED, job_id: Some(id), .. }) => Ok(Intake::Skipped(id)),
            Err(failure) => Err(failure),
        }
    }

    /// [`JobIntake::accept`] for somebody who is answered with the job, or why there is none. The flag says that it had been there before.
    pub(crate) async fn execute(&self, ask: Ask) -> Result<(api_types::Job, bool), Failure> {
        answer(self.accept(ask).await?)
    }

    /// The job that was accepted under this key.
    async fn accepted_under(&self, automation_id: AutomationId, key: &str) -> Result<Option<Idempotent>, Failure> {
        let txn = self.database.begin_lazily();
        Ok(store::jobs::job_find_idempotent_unscoped(&txn, &[(automation_id, key.to_owned())]).await?.pop())
    }

    /// A job without its payload.
    pub(crate) async fn job_row(&self, id: JobId) -> Result<JobRow, Failure> {
        store::jobs::job_get_row(&self.database, &Scope::All, id).await?.ok_or_else(|| Failure::NotFound(format!("job {id}")))
    }

    pub(crate) async fn job(&self, id: JobId) -> Result<api_types::Job, Failure> {
        let job = store::jobs::job_get(&self.database, &Scope::All, id).await?;
        job.map(convert::job).ok_or_else(|| Failure::NotFound(format!("job {id}")))
    }
}

/// What somebody is answered who asked for a job.
pub(super) fn answer(intake: Intake) -> Result<(api_types::Job, bool), Failure> {
    match intake {
        Intake::Accepted(job) => Ok((job, false)),
        Intake::Existing(job) => Ok((job, true)),
        Intake::Skipped(id) => Err(Failure::overlap_skipped(id)),
    }
}

fn no_retry() -> Failure {
    Failure::field("trigger", "must not be RETRY: a job that has ended is run again by POST /api/v1/jobs/{id}/retry")
}

/// The name of the header for the key, as people write it.
pub(crate) const KEY_HEADER: &str = "Idempotency-Key";

fn other_request() -> Failure {
    let message = "was used before with other parameters or options: use another key, or send the request again as it was";
    Failure::field("idempotency_key", message)
}

/// A digest of what is asked, as it was sent: defaults of the automation may change between a request and its repetition.
fn digest(request: &Request) -> String {
    let Request { parameters, overrides, trigger: _, version_id, environment, origin: _ } = request;
    let Overrides { priority, timeout_s, queue_timeout_s, max_attempts, cancel_grace_s, concurrency_key, not_before } = overrides;
    let mut asked =
        serde_json::json!([parameters, priority, timeout_s, queue_timeout_s, max_attempts, cancel_grace_s, concurrency_key, not_before]);
    // A request that says neither has the digest that it had before there were any.
    if let (Value::Array(asked), true) = (&mut asked, version_id.is_some() || environment.is_some()) {
        asked.extend([serde_json::json!(version_id), serde_json::json!(environment)]);
    }
    Sha256::digest(asked.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}
