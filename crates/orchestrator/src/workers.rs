//! Workers: they register, show that they live, take jobs, and are paused by people.

use std::time::{Duration, Instant};

use api_types::{
    ClaimRequest, HeartbeatRequest, HeartbeatResponse, JobAssignment, RegisterRequest, RegisterResponse, WorkerDetail, WorkerHeldJob,
};
use chrono::{DateTime, Utc};
use domain::{
    Fault,
    automation::is_queue_name,
    worker::{Life, lost_before},
};
use messages::worker_control::Command;
use runtime::{Failure, WorkerCaller, WorkerLimits};
use store::workers::{Filter, Vitals, Worker};
use uuid::Uuid;

use crate::{Orchestrator, text, writer::Note};

impl Orchestrator {
    pub(crate) async fn worker_register(&self, request: RegisterRequest) -> Result<RegisterResponse, Failure> {
        check(&request)?;
        let now = (self.clock)();
        let mut labels: Vec<String> = request.labels.iter().map(|label| label.to_ascii_lowercase()).collect();
        labels.sort_unstable();
        labels.dedup();
        let worker = Worker {
            id: Uuid::now_v7(),
            name: request.name,
            queues: request.queues,
            labels,
            slots: i32::try_from(request.slots).unwrap_or(i32::MAX),
            version: request.version,
            hostname: request.hostname,
            uses_broker: request.uses_broker,
            registered_at: now,
            life: Life { last_seen_at: now, paused_at: None, stopped_at: None },
            paused_by: None,
            vitals: Vitals::default(),
        };
        let worker_id = store::workers::worker_upsert(&self.database, &worker).await?;
        tracing::info!(worker.id = %worker_id, worker.name = worker.name, slots = worker.slots, queues = ?worker.queues, "worker registered");
        self.roster.learn(worker_id, worker.name);
        self.writer.note(Note::Refresh);
        Ok(RegisterResponse {
            worker_id,
            heartbeat_interval_s: self.lease.heartbeat.as_secs_f64(),
            lease_s: self.lease.agent.as_secs_f64(),
        })
    }

    pub(crate) async fn worker_heartbeat(&self, request: HeartbeatRequest) -> Result<HeartbeatResponse, Failure> {
        let id = request.worker_id;
        let vitals = vitals(&request)?;
        if !store::workers::worker_heartbeat(&self.database, id, &vitals, (self.clock)()).await? {
            return Err(not_found(id));
        }
        let response = if request.jobs.is_empty() { HeartbeatResponse::default() } else { self.writer.heartbeat(request).await? };
        Ok(HeartbeatResponse { drain: self.roster.is_paused(id), ..response })
    }

    pub(crate) async fn worker_goodbye(&self, id: Uuid) -> Result<(), Failure> {
        if !store::workers::worker_stop(&self.database, id, (self.clock)()).await? {
            return Err(not_found(id));
        }
        tracing::info!(worker.id = %id, "worker stopped");
        self.writer.note(Note::Refresh);
        Ok(())
    }

    /// Gives a worker jobs, or waits for them. One that is paused gets only what was given to it before and got lost on the way.
    pub(crate) async fn worker_claim(&self, request: ClaimRequest) -> Result<Vec<JobAssignment>, Failure> {
        let id = request.worker_id;
        if !store::workers::worker_touch(&self.database, id, (self.clock)()).await? {
            return Err(not_found(id));
        }
        let (begun, wait) = (Instant::now(), Duration::from_secs_f64(request.wait_s));
        let only_again = ClaimRequest { queues: Vec::new(), wait_s: 0.0, holding: request.holding.clone(), ..request };
        if !self.roster.is_paused(id) {
            tokio::select! {
                jobs = self.writer.claim(request, wait) => return jobs,
                () = self.roster.until_paused(id, true) => {}
            }
        }
        // The claim that was given up now may have got jobs in the same instant.
        let jobs = self.writer.claim(only_again, Duration::ZERO).await?;
        if jobs.is_empty() {
            tokio::select! {
                () = self.roster.until_paused(id, false) => {}
                () = self.shutdown.wait() => {}
                () = tokio::time::sleep(wait.saturating_sub(begun.elapsed())) => {}
            }
        }
        Ok(jobs)
    }

    pub(crate) async fn worker_list(&self, filter: &Filter) -> Result<Vec<api_types::Worker>, Failure> {
        let now = (self.clock)();
        let found = store::workers::worker_list(&self.database, filter, self.lost_before(now)).await?;
        Ok(found.into_iter().map(|worker| self.to_api(worker, now)).collect())
    }

    pub(crate) async fn worker_detail(&self, id: Uuid) -> Result<WorkerDetail, Failure> {
        let worker = self.worker(id).await?;
        let to_api = |job: store::workers::HeldJob| WorkerHeldJob {
            job_id: job.id,
            automation_id: job.automation_id,
            queue_name: job.queue_name,
            status: job.status,
            started_at: job.started_at,
            lease_expires_at: job.lease_expires_at,
        };
        let jobs = store::workers::worker_jobs(&self.database, id).await?.into_iter().map(to_api).collect();
        Ok(WorkerDetail { worker, jobs })
    }

    pub(crate) async fn worker_pause(&self, id: Uuid, by: &str) -> Result<api_types::Worker, Failure> {
        let now = (self.clock)();
        let paused = store::workers::worker_pause(&self.database, id, by, now, self.lost_before(now)).await?;
        self.settle_pause(id, paused, true).await
    }

    pub(crate) async fn worker_resume(&self, id: Uuid) -> Result<api_types::Worker, Failure> {
        let resumed = store::workers::worker_resume(&self.database, id).await?;
        self.settle_pause(id, resumed, false).await
    }

    /// Tells the worker, or whoever asked why it could not be done.
    async fn settle_pause(&self, id: Uuid, done: bool, paused: bool) -> Result<api_types::Worker, Failure> {
        if done {
            self.roster.set_paused(id, paused);
            self.control.tell(id, if paused { Command::Drain } else { Command::Take }, None);
            self.writer.note(Note::Refresh);
            tracing::info!(worker.id = %id, paused, "worker paused or resumed");
        }
        let worker = self.worker(id).await?;
        if done { Ok(worker) } else { Err(Failure::conflict("wrong_state", format!("the worker is {}", worker.state))) }
    }

    pub(crate) async fn worker_delete(&self, id: Uuid) -> Result<(), Failure> {
        if store::workers::worker_delete(&self.database, id, self.lost_before((self.clock)())).await? {
            self.roster.forget(id);
            return Ok(());
        }
        let state = self.worker(id).await?.state;
        Err(Failure::conflict("wrong_state", format!("the worker is {state}; only one that is stopped or lost can be removed")))
    }

    async fn worker(&self, id: Uuid) -> Result<api_types::Worker, Failure> {
        let worker = store::workers::worker_get(&self.database, id).await?.ok_or_else(|| not_found(id))?;
        Ok(self.to_api(worker, (self.clock)()))
    }

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

    /// Reads again who is paused: another replica may have done it.
    pub(crate) async fn refresh_roster(&self) -> Result<(), store::Error> {
        let stamp = self.roster.stamp();
        let paused = store::workers::worker_list_paused(&self.database).await?;
        self.roster.read(stamp, paused.into_iter().collect());
        Ok(())
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
            registered_at: worker.registered_at,
            last_heartbeat_at: life.last_seen_at,
            paused_at: life.paused_at,
            paused_by: worker.paused_by,
            stopped_at: life.stopped_at,
        }
    }
}

fn not_found(id: Uuid) -> Failure {
    Failure::NotFound(format!("worker {id}"))
}

/// Jobs a heartbeat may name: as many as a worker may have slots.
const MOST_JOBS: usize = 10_000;

fn vitals(request: &HeartbeatRequest) -> Result<Vitals, Failure> {
    let mut faults = Vec::new();
    if request.cpu_percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        faults.push(Fault::new("cpu_percent", "must be 0 to 100"));
    }
    let memory_bytes = request.memory_bytes.map(i64::try_from).transpose();
    if memory_bytes.is_err() {
        faults.push(Fault::new("memory_bytes", "is more than any host has"));
    }
    if request.jobs.len() > MOST_JOBS {
        faults.push(Fault::new("jobs", format!("must name at most {MOST_JOBS} jobs")));
    }
    if !faults.is_empty() {
        return Err(Failure::Invalid(faults));
    }
    let running_jobs = i32::try_from(request.jobs.len()).unwrap_or(i32::MAX);
    Ok(Vitals { running_jobs, cpu_percent: request.cpu_percent, memory_bytes: memory_bytes.unwrap_or_default() })
}

fn check(request: &RegisterRequest) -> Result<(), Failure> {
    let mut faults = Vec::new();
    let mut want = |fine: bool, field: &str, message: &str| {
        if !fine {
            faults.push(Fault::new(field, message));
        }
    };
    want(text::is_name(&request.name), "name", text::NAME_RULE);
    want((1..=1000).contains(&request.queues.len()), "queues", "must name 1 to 1000 queues");
    want((1..=10_000).contains(&request.slots), "slots", "must be 1 to 10000");
    want(text::is_short(&request.version), "version", "must have at most 200 bytes and no control characters");
    want(text::is_short(&request.hostname), "hostname", "must have at most 200 bytes and no control characters");
    for (index, queue) in request.queues.iter().enumerate() {
        want(is_queue_name(queue), &format!("queues/{index}"), domain::automation::QUEUE_RULE);
    }
    want(request.labels.len() <= 20, "labels", "must name at most 20 labels");
    for (index, label) in request.labels.iter().enumerate() {
        want(is_label(label), &format!("labels/{index}"), "must have 1 to 64 letters a-z, digits, dots, hyphens and underscores");
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
}

fn is_label(label: &str) -> bool {
    (1..=64).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
