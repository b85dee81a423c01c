//! Runs one job under its lease, from the folder to the reported end.
//!
//! What an earlier run left in the folder is killed first, so that two programs of one job never run at once. The log is sent while the
//! program runs; the end follows only after the outbox is closed, so that no line comes after it. Once the lease is lost nothing more is
//! reported, because the job may be another worker's.

use std::time::Duration;

use api_types::LogEntry;
use domain::{ids::JobId, log::Level};
use uuid::Uuid;

use super::{core::Core, folders};
use crate::{
    Job, JobFolder, Outbox, Outcome, RunContext,
    backoff::Backoff,
    held::Hold,
    process::tree,
    report::{Reporter, forget},
    signal::Stop,
};

impl Core {
    /// Runs a job whose lease this worker holds, and reports it. Returns when the hub has received its end or has refused it.
    pub(super) async fn execute(&self, job: &Job, hold: &Hold, lease: Uuid) {
        let folder = JobFolder::of(&self.settings.jobs_dir(), job.id);
        let offset = if folder.exists() {
            // The program may have removed the file by which the recovery at the start would have found it.
            tree::kill_left(job.id, None, None);
            self.offset_of_rerun(job.id, hold, lease).await
        } else {
            0
        };
        let outbox = Outbox::new(folder.clone(), self.settings.log_limits(), offset);
        let reporter = Reporter { hub: &self.hub, job: job.id, lease, outbox: outbox.clone(), folder: folder.clone() };
        let (stop, pause) = hold.signals();
        let context = RunContext { outbox: outbox.clone(), stop, pause, lease_token: lease, folder: folder.clone() };
        tracing::debug!(job.id = %job.id, automation.id = job.automation_id, "job started");
        let run = async {
            let mut stop = context.stop.clone();
            let outcome = tokio::select! {
                biased;
                reason = stop.stopped() => Outcome::stopped(reason),
                () = folders::wait_for_space(self) => self.runner.run(job, context).await,
            };
            outbox.close();
            outcome
        };
        let (outcome, ()) = tokio::join!(run, reporter.pump(&hold.stopper));
        if hold.stopper.now() == Some(Stop::Stale) {
            tracing::warn!(job.id = %job.id, "the worker has lost the job's lease; nothing is reported");
            outbox.discard();
            forget(&folder);
            return;
        }
        tracing::debug!(job.id = %job.id, job.status = %outcome.status, "job ended");
        reporter.end(&outcome).await;
    }

    /// Fails a job that this worker cannot parse.
    pub(super) async fn refuse(&self, hold: &Hold, lease: Uuid, reason: &str) {
        let job = hold.job();
        tracing::error!(job.id = %job, reason, "the job cannot be parsed and fails");
        let folder = JobFolder::of(&self.settings.jobs_dir(), job);
        let outbox = Outbox::new(folder.clone(), self.settings.log_limits(), 0);
        let outcome = Outcome::unreadable(reason);
        Reporter { hub: &self.hub, job, lease, outbox, folder }.end(&outcome).await;
    }

    /// A worker that crashed while it ran this job has sent an unknown number of lines. The answer to one more line contains the count.
    async fn offset_of_rerun(&self, job: JobId, hold: &Hold, lease: Uuid) -> i64 {
        let message = "the worker was restarted during the job, which now runs again from its beginning".to_owned();
        let line = LogEntry { level: Level::Warning, message, timestamp: Some(chrono::Utc::now()), actionable: false };
        let mut backoff = Backoff::new(Duration::from_secs(10));
        while hold.stopper.now().is_none() {
            match self.hub.log(job, lease, vec![line.clone()], None).await {
                Ok(answer) => return answer.log_id,
                Err(error) if error.is_transient() || error.is_unauthorized() => {
                    tokio::time::sleep(backoff.step(error.retry_after())).await
                }
                Err(error) => {
                    tracing::warn!(job.id = %job, %error, "the number of log lines at the hub cannot be determined");
                    if error.is_stale_lease() {
                        hold.stopper.stop(Stop::Stale);
                    }
                    return 0;
                }
            }
        }
        0
    }
}
