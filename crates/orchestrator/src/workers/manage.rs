use api_types::{WorkerDetail, WorkerHeldJob};
use auth::Principal;
use chrono::{DateTime, Utc};
use domain::{Scope, ids::WorkerId, worker::lost_before};
use messages::worker_control::Command;
use runtime::Failure;
use store::workers::{Filter, Worker};

use super::holder::not_found;
use crate::{Orchestrator, dispatch::ControlMessage};

impl Orchestrator {
    pub(crate) async fn worker_list(&self, filter: &Filter) -> Result<Vec<api_types::Worker>, Failure> {
        let now = (self.clock)();
        let found = store::workers::worker_list(&self.database, &Scope::All, filter, self.lost_before(now)).await?;
        Ok(found.into_iter().map(|worker| self.to_api(worker, now)).collect())
    }

    pub(crate) async fn worker_detail(&self, id: WorkerId) -> Result<WorkerDetail, Failure> {
        let worker = self.worker(id).await?;
        let to_api = |job: store::workers::HeldJob| WorkerHeldJob {
            job_id: job.id,
            automation_id: job.automation_id,
            queue_name: job.queue_name,
            status: job.status,
            started_at: job.started_at,
            lease_expires_at: job.lease_expires_at,
        };
        let jobs = store::workers::worker_jobs(&self.database, &Scope::All, id).await?.into_iter().map(to_api).collect();
        Ok(WorkerDetail { worker, jobs })
    }

    pub(crate) async fn worker_pause(&self, id: WorkerId, by: &Principal) -> Result<api_types::Worker, Failure> {
        let now = (self.clock)();
        let paused = store::workers::worker_pause(&self.database, id, &by.name(), now, self.lost_before(now)).await?;
        self.settle_pause(id, paused, true, by).await
    }

    pub(crate) async fn worker_resume(&self, id: WorkerId, by: &Principal) -> Result<api_types::Worker, Failure> {
        let resumed = store::workers::worker_resume(&self.database, id).await?;
        self.settle_pause(id, resumed, false, by).await
    }

    /// Tells the worker, or whoever asked why it could not be done.
    async fn settle_pause(&self, id: WorkerId, done: bool, paused: bool, by: &Principal) -> Result<api_types::Worker, Failure> {
        if done {
            self.roster.set_paused(id, paused);
            let command = if paused { Command::Drain } else { Command::Take };
            self.control.send(ControlMessage { worker_id: id, command, job_id: None });
            self.announce(id).await?;
            tracing::info!(worker.id = %id, paused, user.name = %by.actor, "worker paused or resumed");
        }
        let worker = self.worker(id).await?;
        if done { Ok(worker) } else { Err(Failure::conflict("wrong_state", format!("the worker is {}", worker.state))) }
    }

    pub(crate) async fn worker_delete(&self, id: WorkerId, by: &Principal) -> Result<(), Failure> {
        if store::workers::worker_delete(&self.database, id, self.lost_before((self.clock)())).await? {
            self.roster.forget(id);
            self.presence.forget(id);
            self.worker_changes.note();
            tracing::info!(worker.id = %id, user.name = %by.actor, "worker removed");
            return Ok(());
        }
        let state = self.worker(id).await?.state;
        Err(Failure::conflict("wrong_state", format!("the worker is {state}; only one that is stopped or lost can be removed")))
    }

    async fn worker(&self, id: WorkerId) -> Result<api_types::Worker, Failure> {
        let worker = store::workers::worker_get(&self.database, &Scope::All, id).await?.ok_or_else(|| not_found(id))?;
        Ok(self.to_api(worker, (self.clock)()))
    }

    pub(crate) fn lost_before(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        lost_before(self.lease_time(), now)
    }

    fn to_api(&self, worker: Worker, now: DateTime<Utc>) -> api_types::Worker {
        let Worker { life, vitals, .. } = worker;
        api_types::Worker {
            id: worker.id,
            name: worker.name,
            state: life.state(self.lease_time(), now),
            queues: worker.queues,
            labels: worker.labels,
            slots: worker.slots,
            running_jobs: vitals.running_jobs,
            version: worker.version,
            hostname: worker.hostname,
            uses_broker: worker.uses_broker,
            cpu_percent: vitals.cpu_percent,
            memory_bytes: vitals.memory_bytes,
            instance_id: worker.instance_id,
            pid: worker.pid,
            registered_at: worker.registered_at,
            last_heartbeat_at: life.last_seen_at,
            paused_at: life.paused_at,
            paused_by: worker.paused_by,
            stopped_at: life.stopped_at,
        }
    }
}
