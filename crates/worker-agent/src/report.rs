//! Reports a job to the hub: its log and progress while it runs, and its end, retried without limit.
//!
//! The end matters most. It is on disk before a second attempt, so that it survives the agent; a log or a result that the hub refuses is
//! dropped rather than the end. Nothing is reported under a lease that is lost. Lines go out in order, each with its offset, so that a
//! repeated request stores nothing twice.

use std::{io, time::Duration};

use api_types::FinishRequest;
use domain::{ids::JobId, job::Status, log::Level};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    HubClient, HubError, JobFolder, Outbox, Outcome,
    backoff::Backoff,
    lease_file::LeaseFile,
    outbox::{Due, Saved},
    signal::{Stop, Stopper},
};

/// File with an end that the hub has not received.
pub(crate) const FINISH_FILE: &str = "finish.json";
/// Maximum size of that file: a result and the lines in memory, each byte escaped.
const MOST_BYTES: u64 = 32 << 20;
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Reports one job under its lease.
pub(crate) struct Reporter<'a> {
    pub(crate) hub: &'a HubClient,
    pub(crate) job: JobId,
    pub(crate) lease: Uuid,
    pub(crate) outbox: Outbox,
    pub(crate) folder: JobFolder,
}

/// An end as stored across a restart of the worker.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedEnd {
    pub(crate) job_id: JobId,
    pub(crate) lease_token: Uuid,
    pub(crate) outcome: Outcome,
    pub(crate) outbox: Saved,
}

/// Result of a report.
enum Sent {
    Done,
    /// Try again after this pause.
    Later(Duration),
    /// The hub will never accept it.
    Never(HubError),
}

impl Reporter<'_> {
    /// Sends lines and progress while the job runs, and returns after its outbox was closed. Stops the run by `stopper` when the hub
    /// reports that the lease is lost.
    pub(crate) async fn pump(&self, stopper: &Stopper) {
        let mut backoff = Backoff::new(MAX_PAUSE);
        while self.outbox.due().await == Due::Now {
            let mut sent = self.send_batch(&mut backoff).await;
            if matches!(sent, Sent::Done) {
                sent = self.send_progress(&mut backoff).await;
            }
            match sent {
                Sent::Done => backoff.reset(),
                Sent::Later(pause) => self.outbox.pause_unless_closed(pause).await,
                Sent::Never(error) => {
                    tracing::warn!(job.id = %self.job, %error, "the hub refuses the job's log");
                    self.outbox.refuse();
                    if error.is_stale_lease() {
                        stopper.stop(Stop::Stale);
                    }
                }
            }
        }
    }

    /// Sends the rest and the end, until the hub has answered. Cancel safe: when the end is on disk, a later worker sends it.
    pub(crate) async fn end(&self, outcome: &Outcome) {
        let mut on_disk = self.folder.exists() && self.save(outcome);
        let mut backoff = Backoff::new(MAX_PAUSE);
        let mut outcome = outcome.clone();
        loop {
            let sent = self.step(&mut outcome, &mut backoff).await;
            match sent {
                None => {}
                Some(Sent::Done) => break,
                Some(Sent::Later(pause)) => {
                    on_disk = on_disk || self.save(&outcome);
                    tokio::time::sleep(pause).await;
                }
                Some(Sent::Never(error)) => {
                    tracing::warn!(job.id = %self.job, %error, "the hub refuses the job's end");
                    break;
                }
            }
        }
        if self.folder.exists() {
            self.outbox.discard();
            forget(&self.folder);
        }
    }

    /// Sends one batch, or the end when the remaining lines fit. `None`: there is more to send at once.
    async fn step(&self, outcome: &mut Outcome, backoff: &mut Backoff) -> Option<Sent> {
        let Some((entries, offset)) = self.outbox.remainder() else {
            return match self.send_batch(backoff).await {
                Sent::Done => {
                    backoff.reset();
                    None
                }
                Sent::Later(pause) => Some(Sent::Later(pause)),
                Sent::Never(error) if error.is_stale_lease() => Some(Sent::Never(error)),
                Sent::Never(error) => {
                    tracing::warn!(job.id = %self.job, %error, "the hub refuses the job's log");
                    self.outbox.refuse();
                    None
                }
            };
        };
        let request = FinishRequest {
            status: outcome.status,
            result: outcome.result.clone(),
            error_class: outcome.error_class,
            error_message: outcome.error_message.clone(),
            offset: (!entries.is_empty()).then_some(offset),
            entries,
            progress: self.outbox.last_progress(),
        };
        match self.hub.finish(self.job, self.lease, &request).await {
            Ok(()) => Some(Sent::Done),
            Err(error) => self.after_refusal(error, &request, outcome, backoff),
        }
    }

    /// Drops a refused log or result, because the end matters more. The status stays: the program did its work even if its result is lost.
    fn after_refusal(&self, error: HubError, request: &FinishRequest, outcome: &mut Outcome, backoff: &mut Backoff) -> Option<Sent> {
        if !matches!(error.status(), Some(400 | 413 | 422)) {
            return Some(self.classify(error, backoff));
        }
        let log_goes_first = error.status() != Some(413) || outcome.result.is_none();
        if log_goes_first && (!request.entries.is_empty() || request.progress.is_some()) {
            tracing::warn!(job.id = %self.job, %error, "the hub refuses the job's last log lines");
            self.outbox.discard();
            return None;
        }
        if let Some(result) = outcome.result.take() {
            let bytes = result.to_string().len();
            tracing::warn!(job.id = %self.job, %error, bytes, "the hub refuses the job's result");
            self.outbox.log(Level::Error, format!("the result of {bytes} bytes is lost because the hub refuses it: {error}"));
            return None;
        }
        let bare = Outcome { status: Status::Failed, result: None, error_class: outcome.error_class, error_message: None };
        if *outcome == bare {
            return Some(Sent::Never(error));
        }
        tracing::warn!(job.id = %self.job, %error, "the hub refuses the job's end; sending the status alone");
        *outcome = bare;
        None
    }

    async fn send_batch(&self, backoff: &mut Backoff) -> Sent {
        let Some(batch) = self.outbox.batch() else { return Sent::Done };
        match self.hub.log_raw(self.job, self.lease, batch.body.clone()).await {
            Ok(_) => {
                self.outbox.confirm(&batch);
                Sent::Done
            }
            // The lines are stored; only the body of the answer is unreadable.
            Err(HubError::Answer(_)) => {
                self.outbox.confirm(&batch);
                Sent::Done
            }
            Err(error) => self.classify(error, backoff),
        }
    }

    async fn send_progress(&self, backoff: &mut Backoff) -> Sent {
        let Some(progress) = self.outbox.take_progress() else { return Sent::Done };
        match self.hub.progress(self.job, self.lease, &progress).await {
            Ok(()) => Sent::Done,
            Err(error) if error.is_transient() || error.is_stale_lease() => {
                self.outbox.return_progress();
                self.classify(error, backoff)
            }
            Err(error) => {
                tracing::debug!(job.id = %self.job, %error, "the hub refuses the job's progress");
                Sent::Done
            }
        }
    }

    fn classify(&self, error: HubError, backoff: &mut Backoff) -> Sent {
        // A refused key may be corrected while the job runs; the job's log and end must not be lost because of it.
        if error.is_transient() || error.is_unauthorized() {
            tracing::debug!(job.id = %self.job, %error, "the report failed; trying again");
            Sent::Later(backoff.step(error.retry_after()))
        } else {
            Sent::Never(error)
        }
    }

    fn save(&self, outcome: &Outcome) -> bool {
        let end = SavedEnd { job_id: self.job, lease_token: self.lease, outcome: outcome.clone(), outbox: self.outbox.save() };
        let written = self.folder.create().and_then(|()| self.folder.write_own_json(FINISH_FILE, &end));
        if let Err(error) = &written {
            tracing::warn!(job.id = %self.job, %error, "the job's end cannot be saved to disk");
        }
        written.is_ok()
    }
}

/// Removes the files of unsent reports: nothing more is reported about the folder's job.
pub(crate) fn forget(folder: &JobFolder) {
    folder.remove_file("logs/outbox.jsonl");
    folder.remove_file(FINISH_FILE);
    LeaseFile::remove(folder);
}

impl SavedEnd {
    /// # Errors
    /// There is no such file, or it is not an end of this job that an agent has written.
    pub(crate) fn read(folder: &JobFolder, job: JobId) -> io::Result<Self> {
        let end: Self = serde_json::from_slice(&folder.read_own(FINISH_FILE, MOST_BYTES)?).map_err(io::Error::other)?;
        if end.job_id == job { Ok(end) } else { Err(io::Error::other("it is another job's")) }
    }
}
