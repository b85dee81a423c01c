//! Who may speak for a worker and about a job. Identity and reach come from the credential alone.

use auth::Principal;
use domain::ids::{JobId, WorkerId};
use runtime::{Failure, WorkerCaller};
use store::jobs::JobRow;

use super::holder::{check_holder, not_found};
use crate::Orchestrator;

impl Orchestrator {
    /// Checks that a request may speak for this worker, without a query for one that was seen before.
    pub(crate) async fn check_speaker(&self, principal: &Principal, id: WorkerId) -> Result<(), Failure> {
        let known = self.roster.find(id).await?.ok_or_else(|| not_found(id))?;
        check_holder(principal, id, Some(&known))
    }

    /// A job that a worker may see: as the one whose job it is, or as one that it could take.
    pub(crate) async fn job_for_worker(&self, caller: &WorkerCaller, id: JobId) -> Result<JobRow, Failure> {
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
