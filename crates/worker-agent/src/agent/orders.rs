//! What the hub wants of this worker and its jobs, by heartbeat or by control message.

use std::time::Instant;

use api_types::{HeartbeatRequest, HeartbeatResponse};
use messages::{WorkerControl, worker_control::Command};
use uuid::Uuid;

use super::core::Core;
use crate::signal::Stop;

impl Core {
    /// A heartbeat says how everything is to be, as the hub knew it when it was `asked`.
    pub(super) fn obey(&self, request: &HeartbeatRequest, answer: &HeartbeatResponse, asked: Instant) {
        for job in &answer.stale {
            self.held.stop(*job, Stop::Stale);
        }
        for job in &answer.cancel {
            self.cancel(*job);
        }
        for (job, paused) in self.held.level(&request.jobs, &answer.paused, asked) {
            tell_pause(job, paused);
        }
        self.drain_since(answer.drain, asked);
    }

    /// A control message says what is to change. The text of the error says why it is not understood.
    pub(super) fn control(&self, body: &[u8]) -> Result<(), String> {
        let message: WorkerControl = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let job = || Uuid::parse_str(&message.job_id).map_err(|_| format!("job_id {:?} is not a UUID", message.job_id));
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

    fn cancel(&self, job: Uuid) {
        tracing::debug!(job.id = %job, "somebody asked to stop the job");
        self.held.stop(job, Stop::Cancel);
    }

    fn pause(&self, job: Uuid, paused: bool) {
        if self.held.pause(job, paused) {
            tell_pause(job, paused);
        }
    }
}

fn tell_pause(job: Uuid, paused: bool) {
    if paused {
        tracing::info!(job.id = %job, "the job is paused");
    } else {
        tracing::info!(job.id = %job, "the job is resumed");
    }
}
