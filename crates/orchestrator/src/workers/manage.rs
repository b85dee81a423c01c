use api_types::{WorkerDetail, WorkerHeldJob};
use auth::Permitted;
use chrono::{DateTime, Utc};
use domain::{Scope, ids::WorkerId, permission::Permission, worker::lost_before};
use messages::worker_control::Command;
use runtime::{Editor, Failure, reach};
use store::workers::{Filter, Worker};

use super::Workers;
use crate::dispatch::ControlMessage;

impl Workers {
    pub(crate) async fn list(&self, by: &Permitted, filter: &Filter) -> Result<Vec<api_types::Worker>, Failure> {
        let now = (self.clock)();
        let found = store::workers::worker_list(&self.database, by.scope(), filter, self.lost_before(now)).await?;
        Ok(found.into_iter().map(|worker| self.to_api(worker, now)).collect())
    }

    pub(crate) async fn detail(&self, by: &Permitted, id: WorkerId) -> Result<WorkerDetail, Failure> {
        let worker = self.get(by, id).await?;
        let to_api = |job: store::workers::HeldJob| WorkerHeldJob {
            job_id: job.id,
            automation_id: job.automation_id,
            queue_name: job.queue_name,
            status: job.status,
            started_at: job.started_at,
            lease_expires_at: job.lease_expires_at,
        };
        let jobs =
            store::workers::worker_jobs(&self.database, by.scope_of(Permission::RunRead), id).await?.into_iter().map(to_api).collect();
        Ok(WorkerDetail { worker, jobs })
    }

    pub(crate) async fn pause(&self, by: &Editor, id: WorkerId) -> Result<api_types::Worker, Failure> {
        self.whole(by, id).await?;
        let now = (self.clock)();
        let paused = store::workers::worker_pause(&self.database, by.change(), id, now, self.lost_before(now)).await?;
        self.settle_pause(by, id, paused, true).await
    }

    pub(crate) async fn resume(&self, by: &Editor, id: WorkerId) -> Result<api_types::Worker, Failure> {
        self.whole(by, id).await?;
        let resumed = store::workers::worker_resume(&self.database, by.change(), id, (self.clock)()).await?;
        self.settle_pause(by, id, resumed, false).await
    }

    /// Notifies the worker, or returns why it could not be done.
    async fn settle_pause(&self, by: &Permitted, id: WorkerId, done: bool, paused: bool) -> Result<api_types::Worker, Failure> {
        if done {
            self.roster.set_paused(id, paused);
            let command = if paused { Command::Drain } else { Command::Take };
            self.control.send(ControlMessage { worker_id: id, command, job_id: None });
            self.changes.announce(id).await?;
            tracing::info!(worker.id = %id, paused, user.name = %by.actor, "worker paused or resumed");
        }
        let worker = self.get(by, id).await?;
        if done {
            let kind = if paused { "worker.paused" } else { "worker.resumed" };
            self.announcer.worker(kind, id, &worker.name, &worker.queues);
        }
        if done { Ok(worker) } else { Err(Failure::conflict("wrong_state", format!("the worker is {}", worker.state))) }
    }

    pub(crate) async fn delete(&self, by: &Editor, id: WorkerId) -> Result<(), Failure> {
        self.whole(by, id).await?;
        let worker = self.get(by, id).await?;
        let now = (self.clock)();
        if store::workers::worker_delete(&self.database, by.change(), id, now, self.lost_before(now)).await? {
            self.roster.forget(id);
            self.presence.forget(id);
            self.changes.note();
            tracing::info!(worker.id = %id, user.name = %by.actor, "worker removed");
            self.announcer.worker("worker.deleted", id, &worker.name, &worker.queues);
            return Ok(());
        }
        let state = self.get(by, id).await?.state;
        Err(Failure::conflict("wrong_state", format!("the worker is {state}; only a stopped or lost worker can be deleted")))
    }

    async fn get(&self, by: &Permitted, id: WorkerId) -> Result<api_types::Worker, Failure> {
        let find = async |scope: &Scope| store::workers::worker_get(&self.database, scope, id).await;
        let worker = reach(by, Permission::WorkerRead, format_args!("worker {id}"), find).await?;
        Ok(self.to_api(worker, (self.clock)()))
    }

    /// Checks that the caller may do this to every automation of the worker's queues.
    async fn whole(&self, by: &Permitted, id: WorkerId) -> Result<(), Failure> {
        self.get(by, id).await?;
        match store::workers::worker_get_within(&self.database, by.scope(), id).await? {
            Some(_) => Ok(()),
            None => Err(by.denied(format!("every automation of the queues of worker {id}")).into()),
        }
    }

    pub(super) fn lost_before(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        lost_before(self.lease, now)
    }

    fn to_api(&self, worker: Worker, now: DateTime<Utc>) -> api_types::Worker {
        let Worker { life, vitals, .. } = worker;
        api_types::Worker {
            id: worker.id,
            name: worker.name,
            state: life.state(self.lease, now),
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
