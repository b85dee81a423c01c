//! Registration. A worker is a process, not a name: a name has one live worker at a time, and belongs to the credential that registered it.

use api_types::{RegisterRequest, RegisterResponse};
use auth::{Principal, WorkerLimits};
use domain::{
    Fault,
    automation::{is_every_queue, queue_faults},
    ids::WorkerId,
    policy::labels,
    worker::{Life, NameVerdict, Process, Standing, judge_name},
};
use runtime::Failure;
use store::workers::{Vitals, Worker, worker_find_unscoped, worker_insert, worker_renew, worker_replace};
use uuid::Uuid;

use super::Workers;
use crate::text;

/// Maximum attempts of a registration that conflicts with a concurrent one under the same name.
const ATTEMPTS: usize = 8;

impl Workers {
    pub(crate) async fn register(&self, request: RegisterRequest, principal: &Principal) -> Result<RegisterResponse, Failure> {
        let worker = self.to_worker(request, principal)?;
        let worker_id = self.enter(&worker, principal).await?;
        tracing::info!(worker.id = %worker_id, worker.name = worker.name, slots = worker.slots, queues = ?worker.queues, "worker registered");
        self.announcer.worker("worker.registered", worker_id, &worker.name, &worker.queues);
        self.roster.learn(worker_id, worker.name, worker.credential);
        self.changes.announce(worker_id).await?;
        Ok(RegisterResponse {
            worker_id,
            heartbeat_interval_s: self.settings.heartbeat.as_secs_f64(),
            lease_s: self.settings.agent.as_secs_f64(),
        })
    }

    fn to_worker(&self, request: RegisterRequest, principal: &Principal) -> Result<Worker, Failure> {
        let labels = check(&request)?;
        let now = (self.clock)();
        Ok(Worker {
            id: Uuid::now_v7().into(),
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
            instance_id: request.instance_id,
            pid: request.pid.map(Into::into),
            credential: principal.actor.credential(),
        })
    }

    /// Writes the worker under its name, if it may use it, and returns its id.
    async fn enter(&self, worker: &Worker, principal: &Principal) -> Result<WorkerId, Failure> {
        for _ in 0..ATTEMPTS {
            let Some(holder) = worker_find_unscoped(&self.database, &worker.name).await? else {
                if worker_insert(&self.database, worker).await? {
                    return Ok(worker.id);
                }
                continue;
            };
            let state = holder.life.state(self.lease, worker.registered_at);
            match judge_name(process(&holder), state, process(worker), standing(&holder, principal)) {
                NameVerdict::Keep => {
                    if worker_renew(&self.database, &holder, worker).await? {
                        return Ok(holder.id);
                    }
                }
                NameVerdict::TakeOver => {
                    let same = holder.instance_id.is_some() && process(&holder) == process(worker);
                    let lost_before = (!same).then(|| self.lost_before(worker.registered_at));
                    if worker_replace(&self.database, &holder, worker, lost_before).await? {
                        tracing::info!(worker.id = %holder.id, worker.name = worker.name, "the worker's name was taken over by another worker");
                        self.roster.forget(holder.id);
                        self.presence.forget(holder.id);
                        return Ok(worker.id);
                    }
                }
                NameVerdict::Taken => return Err(taken(&holder)),
                NameVerdict::Forbidden => return Err(forbidden(&holder)),
            }
        }
        Err(Failure::Unavailable(format!("others register as \"{}\" at the same time", worker.name)))
    }
}

fn process(worker: &Worker) -> Process<'_> {
    Process { instance: worker.instance_id, hostname: &worker.hostname }
}

/// A credential that allows everything the holder's does may take the name when the holder is gone, so that tokens can be rotated.
fn standing(holder: &Worker, principal: &Principal) -> Standing {
    let WorkerLimits { worker_name, queues } = &principal.limits;
    let entitled = worker_name.as_ref().is_none_or(|name| *name == holder.name)
        && queues.as_ref().is_none_or(|own| holder.queues.iter().all(|queue| own.contains(queue)));
    match &holder.credential {
        Some(key) if principal.actor.has_credential(key) => Standing::Same,
        None if entitled => Standing::Same,
        _ if entitled => Standing::Entitled,
        _ => Standing::Stranger,
    }
}

fn taken(holder: &Worker) -> Failure {
    let host = if holder.hostname.is_empty() { "an unknown host" } else { &holder.hostname };
    let process = holder.pid.map_or_else(String::new, |pid| format!(", process {pid}"));
    let since = holder.registered_at.format("%Y-%m-%d %H:%M:%S UTC");
    let text = format!(
        "the name \"{}\" belongs to another worker, which is alive: on {host}{process}, since {since}; stop that one, or give this one \
         another name",
        holder.name
    );
    Failure::conflict("worker_name_taken", text)
}

fn forbidden(holder: &Worker) -> Failure {
    Failure::Forbidden(format!(
        "the name \"{}\" belongs to a worker that registered with another key or token, and this one does not open all of its queues; \
         choose another name, or remove that worker when it has stopped",
        holder.name
    ))
}

/// Validates the request and returns the normalised labels.
fn check(request: &RegisterRequest) -> Result<Vec<String>, Failure> {
    let mut faults = Vec::new();
    let mut want = |fine: bool, field: &str, message: &str| {
        if !fine {
            faults.push(Fault::new(field, message));
        }
    };
    want(text::is_name(&request.name), "name", text::NAME_RULE);
    want((1..=10_000).contains(&request.slots), "slots", "must be 1 to 10000");
    want(text::is_short(&request.version), "version", "must have at most 200 bytes and no control or invisible characters");
    want(text::is_short(&request.hostname), "hostname", "must have at most 200 bytes and no control or invisible characters");
    want(
        !(request.uses_broker && is_every_queue(&request.queues)),
        "queues/0",
        "\"*\" is for workers that claim over HTTP: one that takes messages from RabbitMQ names its queues",
    );
    faults.extend(queue_faults(&request.queues));
    match labels(&request.labels) {
        Ok(labels) if faults.is_empty() => return Ok(labels),
        Ok(_) => {}
        Err(fault) => faults.push(fault.under("labels")),
    }
    Err(Failure::Invalid(faults))
}
