//! Who may speak for a worker and about a job. Identity and reach come from the credential alone.

use auth::{Actor, Principal};
use runtime::{Failure, WorkerCaller};
use store::jobs::JobRow;
use uuid::Uuid;

use super::live::not_found;
use super::roster::Known;
use crate::Orchestrator;

/// Checks that this principal speaks for the worker. One that nobody was asked about belongs to whoever is not limited to another.
pub(crate) fn check_holder(principal: &Principal, id: Uuid, known: Option<&Known>) -> Result<(), Failure> {
    let limits = &principal.limits;
    let key = known.and_then(|known| known.credential.as_deref());
    let fits = match (known, key) {
        _ if principal.actor == Actor::Anybody => true,
        (_, Some(key)) => principal.actor.has_credential(key),
        (Some(known), None) => limits.worker_name.as_ref().map_or(limits.queues.is_none(), |name| *name == known.name),
        (None, None) => limits.is_none(),
    };
    match known {
        _ if fits => Ok(()),
        // It registered with a hub that did not ask, and does so again.
        Some(known) if known.credential.is_none() && limits.worker_name.is_none() => Err(not_found(id)),
        Some(known) => {
            limits.check_worker(&known.name)?;
            Err(Failure::Forbidden(format!("worker {id} has registered with another key or token, which alone speaks for it")))
        }
        None => Err(Failure::Forbidden(format!("this token does not speak for worker {id}"))),
    }
}

impl Orchestrator {
    /// Checks that a request may speak for this worker, without a query for one that was seen before.
    pub(crate) async fn check_speaker(&self, principal: &Principal, id: Uuid) -> Result<(), Failure> {
        let known = self.roster.find(id).await?.ok_or_else(|| not_found(id))?;
        check_holder(principal, id, Some(&known))
    }

    /// A job that a worker may see: as the one whose job it is, or as one that it could take.
    pub(crate) async fn job_for_worker(&self, caller: &WorkerCaller, id: Uuid) -> Result<JobRow, Failure> {
        let job = self.job_row(id).await?;
        caller.principal.limits.check_queues([&job.queue_name])?;
        if let Some(lease) = &job.job.lease
            && let Some(holder) = lease.worker_id
            && caller.lease_token != Some(lease.token)
        {
            check_holder(&caller.principal, holder, self.roster.find(holder).await?.as_deref())?;
        }
        Ok(job)
    }
}
