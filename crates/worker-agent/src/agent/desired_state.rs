//! Applies the hub's desired state of this worker and its jobs, from heartbeats and from control messages.
//!
//! Both carry the same state; the newest one must win although they travel different ways. A heartbeat's answer reflects the hub at some
//! moment after the request was sent, a control message the moment at which it arrives. So an answer changes nothing that a control message
//! has set since its request was sent. A stale lease and a cancellation are never undone.

use std::time::Instant;

use api_types::{HeartbeatRequest, HeartbeatResponse};
use domain::ids::JobId;
use messages::{WorkerControl, worker_control::Command};

use super::core::Core;
use crate::signal::Stop;

impl Core {
    /// Applies the answer of a heartbeat that was sent at `asked`: the whole desired state.
    pub(super) fn apply_heartbeat(&self, request: &HeartbeatRequest, answer: &HeartbeatResponse, asked: Instant) {
        for job in &answer.stale {
            self.held.stop(*job, Stop::Stale);
        }
        for job in &answer.cancel {
            self.cancel(*job);
        }
        for (job, paused) in self.held.reconcile(&request.jobs, &answer.paused, asked) {
            log_pause(job, paused);
        }
        self.drain_since(answer.drain, asked);
    }

    /// Applies a control message: one change. The error text says why it cannot be read.
    pub(super) fn apply_control(&self, body: &[u8]) -> Result<(), String> {
        let message: WorkerControl = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let job = || message.job_id.parse::<JobId>().map_err(|_| format!("job_id {:?} is not a UUID", message.job_id));
        match message.command() {
            Command::Unspecified => return Err("it has no command".to_owned()),
            Command::Cancel => self.cancel(job()?),
            Command::Pause => self.pause(job()?, true),
            Command::Resume => self.pause(job()?, false),
            Command::Drain => self.drain_now(true),
            Command::Take => self.drain_now(false),
        }
        Ok(())
    }

    fn cancel(&self, job: JobId) {
        tracing::debug!(job.id = %job, "cancellation requested");
        self.held.stop(job, Stop::Cancel);
    }

    fn pause(&self, job: JobId, paused: bool) {
        if self.held.pause(job, paused) {
            log_pause(job, paused);
        }
    }
}

fn log_pause(job: JobId, paused: bool) {
    if paused {
        tracing::info!(job.id = %job, "the job is paused");
    } else {
        tracing::info!(job.id = %job, "the job is resumed");
    }
}
