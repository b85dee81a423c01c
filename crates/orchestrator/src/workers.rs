//! Workers: they register, show that they live, take jobs, and are paused by people.

mod changes;
mod limits;
mod manage;
mod presence;

use std::time::{Duration, Instant};

use api_types::{ClaimRequest, HeartbeatRequest, HeartbeatResponse, JobAssignment, RegisterRequest, RegisterResponse};
use domain::{Fault, automation::is_queue_name, policy::labels, worker::Life};
use runtime::Failure;
use store::workers::{Vitals, Worker};
use uuid::Uuid;

pub(crate) use self::{
    changes::{CachedWorkers, WorkerChanges},
    presence::Presence,
};
use crate::{Orchestrator, text};

impl Orchestrator {
    pub(crate) async fn worker_register(&self, request: RegisterRequest) -> Result<RegisterResponse, Failure> {
        let labels = check(&request)?;
        let now = (self.clock)();
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
        self.announce(worker_id).await?;
        Ok(RegisterResponse {
            worker_id,
            heartbeat_interval_s: self.lease.heartbeat.as_secs_f64(),
            lease_s: self.lease.agent.as_secs_f64(),
        })
    }

    pub(crate) async fn worker_heartbeat(&self, request: HeartbeatRequest) -> Result<HeartbeatResponse, Failure> {
        let id = request.worker_id;
        let vitals = vitals(&request)?;
        if !self.presence.heartbeat(id, vitals, (self.clock)()).await? {
            return Err(not_found(id));
        }
        let response = if request.jobs.is_empty() { HeartbeatResponse::default() } else { self.writer.heartbeat(request).await? };
        Ok(HeartbeatResponse { drain: self.roster.is_paused(id), ..response })
    }

    pub(crate) async fn worker_goodbye(&self, id: Uuid) -> Result<(), Failure> {
        if !store::workers::worker_stop(&self.database, id, (self.clock)()).await? {
            return Err(not_found(id));
        }
        self.presence.forget(id);
        tracing::info!(worker.id = %id, "worker stopped");
        self.announce(id).await?;
        Ok(())
    }

    /// Gives a worker jobs, or waits for them. One that is paused gets only what was given to it before and got lost on the way.
    pub(crate) async fn worker_claim(&self, request: ClaimRequest) -> Result<Vec<JobAssignment>, Failure> {
        let id = request.worker_id;
        if !self.presence.claims(id, (self.clock)()).await? {
            return Err(not_found(id));
        }
        let (begun, wait) = (Instant::now(), Duration::from_secs_f64(request.wait_s));
        let only_again = ClaimRequest { queues: Vec::new(), wait_s: 0.0, holding: request.holding.clone(), ..request };
        if !self.roster.is_paused(id) {
            tokio::select! {
                jobs = self.writer.claim(request, wait) => return jobs,
                () = self.roster.until_paused(id, true) => {}
                () = self.presence.keep(id, &self.clock) => {}
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

/// The worker's labels in their stored form, when nothing is wrong.
fn check(request: &RegisterRequest) -> Result<Vec<String>, Failure> {
    let mut faults = Vec::new();
    let mut want = |fine: bool, field: &str, message: &str| {
        if !fine {
            faults.push(Fault::new(field, message));
        }
    };
    want(text::is_name(&request.name), "name", text::NAME_RULE);
    want((1..=1000).contains(&request.queues.len()), "queues", "must name 1 to 1000 queues");
    want((1..=10_000).contains(&request.slots), "slots", "must be 1 to 10000");
    want(text::is_short(&request.version), "version", "must have at most 200 bytes and no control or invisible characters");
    want(text::is_short(&request.hostname), "hostname", "must have at most 200 bytes and no control or invisible characters");
    for (index, queue) in request.queues.iter().enumerate() {
        want(is_queue_name(queue), &format!("queues/{index}"), domain::automation::QUEUE_RULE);
    }
    match labels(&request.labels) {
        Ok(labels) if faults.is_empty() => return Ok(labels),
        Ok(_) => {}
        Err(fault) => faults.push(fault.under("labels")),
    }
    Err(Failure::Invalid(faults))
}
