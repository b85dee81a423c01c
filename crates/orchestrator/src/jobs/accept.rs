//! Implements [`JobIntake`]: inserts the job that [`domain::job::accept`] accepted, unless the overlap rule prevents it.

use domain::{
    Scope,
    ids::{AutomationId, JobId},
    job::{Accepted, IdempotencyKey, Request, Trigger},
    permission::Permission,
    policy::Overrides,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use runtime::{Ask, Editor, Failure, Intake, JobIntake, OVERLAP_SKIPPED};
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::jobs::{Idempotent, NewJob};
use uuid::Uuid;

use super::{Jobs, convert};
use crate::{
    catalog::not_found,
    writer::{Inserted, Recording, Requested, differs},
};

impl JobIntake for Jobs {
    fn accept(&self, ask: Ask) -> BoxFuture<'_, Result<Intake, Failure>> {
        let is_retry = ask.request.trigger == Trigger::Retry;
        let accepted = async move { if is_retry { Err(no_retry()) } else { self.accept_job(ask, None, None).await } };
        accepted.boxed()
    }
}

impl Jobs {
    /// Accepts a job; `retry_of` is the job that it retries.
    pub(super) async fn accept_job(&self, ask: Ask, retry_of: Option<JobId>, recording: Option<Recording>) -> Result<Intake, Failure> {
        let Ask { automation_id: id, request, key } = ask;
        let entry = self.catalog.require(id).await?;
        // Ids sort in order of acceptance: an id must not be younger than its job.
        let (job_id, now) = (JobId::new(Uuid::now_v7()), (self.clock)());
        let digest = key.as_ref().map(|_| digest(&request));
        // The writer finds out whether the request is repeated, with one statement for all that it commits together.
        let accepted = match self.catalog.accept(&entry, request, now).await {
            Ok(accepted) => Accepted { retry_of, ..accepted },
            Err(failure) => return self.repeated(id, key, digest).await?.ok_or(failure),
        };
        let new = NewJob { idempotency_key: key.map(Into::into), request_digest: digest, ..NewJob::new(job_id, id, accepted, now) };
        match self.writer.insert(new.clone(), recording).await {
            Ok(Inserted { differs: true, .. }) => Err(other_request()),
            Ok(inserted) if inserted.id == new.id => Ok(Intake::Accepted(convert::new_job(new))),
            Ok(Inserted { id, replayed: true, .. }) => Ok(Intake::Existing(self.accepted(id).await?)),
            Ok(Inserted { id, .. }) => Ok(Intake::Accepted(self.accepted(id).await?)),
            Err(Failure::Conflict { code: OVERLAP_SKIPPED, job_id: Some(id), .. }) => Ok(Intake::Skipped(id)),
            Err(failure) => Err(failure),
        }
    }

    /// [`JobIntake::accept`] for a request that is answered with the job. The flag says whether the job existed before.
    pub(crate) async fn execute(&self, by: &Editor, ask: Ask) -> Result<(api_types::Job, bool), Failure> {
        let entry = self.catalog.require(ask.automation_id).await?;
        let place = entry.automation.place();
        if !by.scope().has(&place) {
            let is_seen = by.sees_more(Permission::RobotRead).is_some_and(|seen| seen.has(&place));
            let denied = || by.denied(format!("automation {}", ask.automation_id)).into();
            return Err(if is_seen { denied() } else { not_found(ask.automation_id) });
        }
        if ask.request.trigger == Trigger::Retry {
            return Err(no_retry());
        }
        if !by.actor.asks_for_others() && ask.key.as_ref().is_some_and(IdempotencyKey::is_reserved) {
            return Err(Failure::field("idempotency_key", "must not begin with schedule/, chain/ or hook/"));
        }
        answer(self.accept_job(ask, None, Recording::of(by, Requested::Job)).await?)
    }

    /// A job that answers a request. It belongs to the request's automation, so the caller may see it.
    async fn accepted(&self, id: JobId) -> Result<api_types::Job, Failure> {
        self.get(&Scope::All, id).await
    }

    /// The job of a request that is refused now: a repeated request was accepted before, whatever has changed since.
    async fn repeated(&self, id: AutomationId, key: Option<IdempotencyKey>, digest: Option<String>) -> Result<Option<Intake>, Failure> {
        let Some(key) = key else { return Ok(None) };
        let txn = self.database.begin_lazily();
        let found = store::jobs::job_find_idempotent_unscoped(&txn, &[(id, key.into())]).await?.pop();
        let Some(Idempotent { job_id, request_digest, .. }) = found else { return Ok(None) };
        if differs(request_digest.as_deref(), digest.as_deref()) {
            return Err(other_request());
        }
        Ok(Some(Intake::Existing(self.accepted(job_id).await?)))
    }
}

/// The answer to a request for a job.
pub(super) fn answer(intake: Intake) -> Result<(api_types::Job, bool), Failure> {
    match intake {
        Intake::Accepted(job) => Ok((job, false)),
        Intake::Existing(job) => Ok((job, true)),
        Intake::Skipped(id) => Err(Failure::overlap_skipped(id)),
    }
}

fn no_retry() -> Failure {
    Failure::field("trigger", "must not be RETRY: retry an ended job with POST /api/v1/jobs/{id}/retry")
}

fn other_request() -> Failure {
    let message = "was used before with other parameters or options: use another key, or repeat the original request";
    Failure::field("idempotency_key", message)
}

/// A digest of the request without the automation's defaults, which may change between a request and its repetition.
fn digest(request: &Request) -> String {
    let Request { parameters, overrides, trigger: _, version_id, environment, origin: _ } = request;
    let Overrides {
        priority,
        timeout_s,
        queue_timeout_s,
        max_attempts,
        cancel_grace_s,
        concurrency_key,
        not_before,
        overlap,
        max_concurrency,
        retry_backoff_s,
    } = overrides;
    let mut asked =
        serde_json::json!([parameters, priority, timeout_s, queue_timeout_s, max_attempts, cancel_grace_s, concurrency_key, not_before]);
    // A request without them must have the same digest as before these fields existed.
    if let (Value::Array(asked), true) = (&mut asked, version_id.is_some() || environment.is_some()) {
        asked.extend([serde_json::json!(version_id), serde_json::json!(environment)]);
    }
    if let (Value::Array(asked), true) = (&mut asked, overlap.is_some() || max_concurrency.is_some() || retry_backoff_s.is_some()) {
        let overlap = overlap.map(domain::policy::Overlap::as_str);
        asked.push(serde_json::json!({"overlap": overlap, "max_concurrency": max_concurrency, "retry_backoff_s": retry_backoff_s}));
    }
    Sha256::digest(asked.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}
