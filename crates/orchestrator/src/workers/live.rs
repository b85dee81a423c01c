//! Heartbeats, claims and sign-offs of workers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use api_types::{ClaimRequest, HeartbeatRequest, HeartbeatResponse, JobAssignment};
use auth::Principal;
use domain::{Fault, Scope, ids::WorkerId};
use runtime::Failure;
use store::workers::Vitals;

use super::Workers;
use crate::roster::not_found;

impl Workers {
    pub(super) async fn heartbeat(&self, request: HeartbeatRequest, principal: Arc<Principal>) -> Result<HeartbeatResponse, Failure> {
        let id = request.worker_id;
        self.roster.check_speaker(&principal, id).await?;
        let vitals = vitals(&request)?;
        if !self.presence.heartbeat(id, vitals, (self.clock)()).await? {
            return Err(self.gone(id));
        }
        let response = match request.jobs.is_empty() {
            true => HeartbeatResponse::default(),
            false => self.writer.heartbeat(request, principal).await?,
        };
        Ok(HeartbeatResponse { drain: self.roster.is_paused(id), ..response })
    }

    pub(super) async fn goodbye(&self, id: WorkerId, principal: &Principal) -> Result<(), Failure> {
        self.roster.check_speaker(principal, id).await?;
        if !store::workers::worker_stop(&self.database, id, (self.clock)()).await? {
            return Err(self.gone(id));
        }
        self.presence.forget(id);
        tracing::info!(worker.id = %id, "worker stopped");
        if let Some(worker) = store::workers::worker_get(&self.database, &Scope::All, id).await? {
            self.announcer.worker("worker.stopped", id, &worker.name, &worker.queues);
        }
        self.changes.announce(id).await?;
        Ok(())
    }

    /// Assigns jobs to a worker, or waits for them. A paused worker gets only assignments that were lost in transit.
    pub(crate) async fn claim(&self, request: ClaimRequest, principal: &Principal) -> Result<Vec<JobAssignment>, Failure> {
        let id = request.worker_id;
        self.roster.check_speaker(principal, id).await?;
        if !self.presence.claims(id, (self.clock)()).await? {
            return Err(self.gone(id));
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
        // The abandoned claim may have been assigned jobs at the same moment.
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

    /// Another replica moved its name or deleted it.
    fn gone(&self, id: WorkerId) -> Failure {
        self.roster.forget(id);
        self.presence.forget(id);
        not_found(id)
    }
}

/// Maximum number of jobs in a heartbeat: the maximum number of slots.
const MOST_JOBS: usize = 10_000;

fn vitals(request: &HeartbeatRequest) -> Result<Vitals, Failure> {
    let mut faults = Vec::new();
    if request.cpu_percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        faults.push(Fault::new("cpu_percent", "must be 0 to 100"));
    }
    let memory_bytes = request.memory_bytes.map(i64::try_from).transpose();
    if memory_bytes.is_err() {
        faults.push(Fault::new("memory_bytes", "is too large"));
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
