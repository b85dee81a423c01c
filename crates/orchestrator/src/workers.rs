//! Workers that register.

use api_types::{HeartbeatRequest, HeartbeatResponse, RegisterRequest, RegisterResponse};
use domain::{Fault, automation::is_queue_name};
use runtime::Failure;
use store::workers::Worker;
use uuid::Uuid;

use crate::{Orchestrator, writer::Note};

impl Orchestrator {
    pub(crate) async fn worker_register(&self, request: RegisterRequest) -> Result<RegisterResponse, Failure> {
        check(&request)?;
        let now = (self.clock)();
        let worker = Worker {
            id: Uuid::now_v7(),
            name: request.name,
            queues: request.queues,
            slots: i32::try_from(request.slots).unwrap_or(i32::MAX),
            version: request.version,
            hostname: request.hostname,
            uses_broker: request.uses_broker,
            registered_at: now,
            last_seen_at: now,
        };
        let worker_id = store::workers::worker_upsert(&self.database, &worker).await?;
        tracing::info!(worker.id = %worker_id, worker.name = worker.name, slots = worker.slots, queues = ?worker.queues, "worker registered");
        self.writer.note(Note::Refresh);
        Ok(RegisterResponse {
            worker_id,
            heartbeat_interval_s: self.lease.heartbeat.as_secs_f64(),
            lease_s: self.lease.agent.as_secs_f64(),
        })
    }

    pub(crate) async fn worker_heartbeat(&self, request: HeartbeatRequest) -> Result<HeartbeatResponse, Failure> {
        self.worker_seen(request.worker_id).await?;
        if request.jobs.is_empty() {
            return Ok(HeartbeatResponse::default());
        }
        self.writer.heartbeat(request).await
    }

    pub(crate) async fn worker_seen(&self, id: Uuid) -> Result<(), Failure> {
        if !store::workers::worker_touch(&self.database, id, (self.clock)()).await? {
            return Err(Failure::NotFound(format!("worker {id}")));
        }
        if let Ok(mut known) = self.known_workers.write() {
            known.insert(id);
        }
        Ok(())
    }

    /// Checks that a worker registered, without a query for one that was seen before.
    pub(crate) async fn worker_known(&self, id: Uuid) -> Result<(), Failure> {
        let known = self.known_workers.read().is_ok_and(|known| known.contains(&id));
        if known { Ok(()) } else { self.worker_seen(id).await }
    }
}

fn check(request: &RegisterRequest) -> Result<(), Failure> {
    let mut faults = Vec::new();
    let mut want = |fine: bool, field: &str, message: &str| {
        if !fine {
            faults.push(Fault::new(field, message));
        }
    };
    let short = |text: &str| text.len() <= 200 && !text.chars().any(char::is_control);
    want(!request.name.trim().is_empty() && short(&request.name), "name", "must have 1 to 200 bytes and no control characters");
    want((1..=1000).contains(&request.queues.len()), "queues", "must name 1 to 1000 queues");
    want((1..=10_000).contains(&request.slots), "slots", "must be 1 to 10000");
    want(short(&request.version), "version", "must have at most 200 bytes and no control characters");
    want(short(&request.hostname), "hostname", "must have at most 200 bytes and no control characters");
    for (index, queue) in request.queues.iter().enumerate() {
        want(is_queue_name(queue), &format!("queues/{index}"), domain::automation::QUEUE_RULE);
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
}
