use runtime::{Failure, WorkerCaller, WorkerLimits};
use uuid::Uuid;

use super::not_found;
use crate::Orchestrator;

impl Orchestrator {
    /// Checks that a worker registered, without a query for one that was seen before.
    pub(crate) async fn worker_known(&self, id: Uuid) -> Result<(), Failure> {
        if self.roster.knows(id) { Ok(()) } else { self.worker_name(id).await.map(drop) }
    }

    async fn worker_name(&self, id: Uuid) -> Result<String, Failure> {
        if let Some(name) = self.roster.name(id) {
            return Ok(name);
        }
        let worker = store::workers::worker_get(&self.database, id).await?.ok_or_else(|| not_found(id))?;
        self.roster.learn(id, worker.name.clone());
        Ok(worker.name)
    }

    /// Checks that a request may speak for this worker.
    pub(crate) async fn check_speaker(&self, limits: &WorkerLimits, id: Uuid) -> Result<(), Failure> {
        if limits.worker_name.is_none() { Ok(()) } else { limits.check_worker(&self.worker_name(id).await?) }
    }

    /// Checks that a request may start this job.
    pub(crate) async fn check_start(&self, limits: &WorkerLimits, id: Uuid) -> Result<(), Failure> {
        if limits.queues.is_none() { Ok(()) } else { limits.check_queues([&self.job(id).await?.queue_name]) }
    }

    /// Checks that a request may report on this job. Who shows a lease token has the right from the lease.
    pub(crate) async fn check_report(&self, caller: &WorkerCaller, lease_token: Option<Uuid>, id: Uuid) -> Result<(), Failure> {
        if caller.limits.is_none() || lease_token.is_some() {
            return Ok(());
        }
        let job = self.job(id).await?;
        caller.limits.check_queues([&job.queue_name])?;
        match job.worker_id {
            Some(holder) => self.check_speaker(&caller.limits, holder).await,
            None => Ok(()),
        }
    }
}
