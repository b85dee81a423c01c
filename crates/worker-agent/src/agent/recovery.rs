//! What became of the jobs of an agent that crashed: determined at the start, reported to the hub.
//!
//! A job's program runs at most once, so recovery never runs a job again. It kills what is left of the job's processes, identified by start
//! time or by the job's id in their environment, never by a number alone, and reports the end as far as the disk shows it. The lease file
//! stays until the hub has the end, so that a crash during recovery loses nothing. Jobs are held before the worker registers: the hub
//! cannot dispatch one of them here a second time.

use std::{io, sync::Arc, time::Duration};

use api_types::LogEntry;
use chrono::{DateTime, Utc};
use domain::{ids::JobId, job::ErrorClass, log::Level};
use serde_json::Value;
use uuid::Uuid;

use super::{core::Core, folders::job_folders};
use crate::{
    HubError, JobFolder, Outbox, Outcome,
    backoff::Backoff,
    held::Hold,
    lease_file::LeaseFile,
    outbox::LogLimits,
    process::{read_end, read_log, read_result, succeeded, tree, write_end},
    report::{Reporter, SavedEnd},
    signal::Stop,
};

/// Lines read from the disk at once.
const CHUNK: usize = 500;

/// A job of an earlier agent, held from now on.
pub(super) struct Unreported {
    hold: Hold,
    folder: JobFolder,
    end: End,
}

enum End {
    /// The earlier agent saved it but could not send it.
    Saved(SavedEnd),
    /// The earlier agent crashed before the job's end; `note` is for the job's log.
    Found { lease: LeaseFile, outcome: Outcome, note: &'static str },
}

/// Kills the programs that an earlier agent left, and returns the jobs whose end the hub has not received.
pub(super) fn find(core: &Core) -> Vec<Unreported> {
    let mut found = Vec::new();
    for (job, folder) in job_folders(&core.settings.jobs_dir()) {
        let Some(end) = end_in(job, &folder) else { continue };
        found.extend(core.held.hold(job, Some(end.lease_token())).map(|hold| Unreported { hold, folder, end }));
    }
    found
}

fn end_in(job: JobId, folder: &JobFolder) -> Option<End> {
    // Anything that is not a saved end may come from the job's program.
    if let Ok(end) = SavedEnd::read(folder, job) {
        return Some(End::Saved(end));
    }
    let lease = match LeaseFile::read(folder, job) {
        Ok(lease) => lease,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(job.id = %job, %error, "the lease file that an earlier agent left cannot be read");
            tree::kill_left(job, None, None);
            return None;
        }
    };
    let left = tree::kill_left(lease.job_id, lease.program.as_ref(), lease.supervisor.as_ref());
    if left.killed > 0 {
        tracing::warn!(job.id = %lease.job_id, processes = left.killed, "killed processes that an earlier agent left running");
    }
    let (outcome, note) = determine_end(&lease, folder, left.root_ran);
    write_end(folder, &outcome);
    Some(End::Found { lease, outcome, note })
}

/// How the job ended, as far as the disk shows. The exit code of a program whose parent has died is lost.
fn determine_end(lease: &LeaseFile, folder: &JobFolder, ran: bool) -> (Outcome, &'static str) {
    let result = result_since(lease.started_at, folder);
    if let Some(end) = read_end(folder) {
        return (Outcome { result, ..end }, "the worker was restarted before it could report the job's end; it reports it now");
    }
    if ran {
        let message = "the worker crashed while the program ran; after its restart it killed the unsupervised program";
        return (Outcome { result, ..Outcome::failed(ErrorClass::Killed, message) }, "the worker was restarted while the program ran");
    }
    match result {
        Some(result) => {
            (of_result(result), "the worker was restarted; meanwhile the program ended and left this result, its exit code is unknown")
        }
        None => {
            let message =
                "the worker crashed while the program ran; the program ended meanwhile without a result, and its exit code is unknown";
            (Outcome::failed(ErrorClass::Killed, message), "the worker was restarted; meanwhile the program ended without a result")
        }
    }
}

/// A result whose `status` says that the program failed is a failure.
fn of_result(result: Value) -> Outcome {
    let failed = matches!(result["status"].as_str(), Some("failed" | "error"));
    if !failed {
        return succeeded(Some(result));
    }
    let reason = ["error", "message", "mensagem"].iter().find_map(|name| result[*name].as_str());
    let message = reason.unwrap_or("the program's result says that it failed").to_owned();
    let class = ErrorClass::of_result(&result).unwrap_or(ErrorClass::RobotError);
    Outcome { result: Some(result), ..Outcome::failed(class, message) }
}

/// `result.json`, unless it is older than the job's start and so not this program's.
fn result_since(started_at: DateTime<Utc>, folder: &JobFolder) -> Option<Value> {
    let modified = DateTime::from_timestamp(folder.stat("result.json").ok()?.st_mtime, 0)?;
    // A file system's clock lags a little, and only its seconds are compared.
    if modified + Duration::from_secs(2) < started_at {
        return None;
    }
    let read = read_result(folder).unwrap_or_else(|reason| {
        tracing::warn!(folder = %folder.path().display(), reason, "the result of an earlier agent's job cannot be read and is not reported");
        None
    });
    Some(read?.0)
}

impl End {
    const fn lease_token(&self) -> Uuid {
        match self {
            Self::Saved(end) => end.lease_token,
            Self::Found { lease, .. } => lease.lease_token,
        }
    }
}

impl Unreported {
    /// Sends the lines that the hub does not have, then the end; retries without limit. Cancel safe: unsent data stays on disk.
    pub(super) async fn send(self, core: Arc<Core>) {
        let Self { hold, folder, end } = self;
        let mut stop = hold.signals().0;
        let lost = async {
            while stop.stopped().await != Stop::Stale {
                stop.changed().await;
            }
        };
        let (job, lease) = (hold.job(), end.lease_token());
        tracing::info!(job.id = %job, "sending the end of an earlier agent's job");
        let work = async {
            let (outbox, outcome) = match end {
                End::Saved(end) => {
                    let (folder, limit) = (folder.clone(), core.settings.spool_limit);
                    let Some(outbox) = off_loop(move || Outbox::restore(folder, end.outbox, limit)).await else { return false };
                    (outbox, end.outcome)
                }
                End::Found { lease, outcome, note } => match late_lines(&core, &lease, &folder).await {
                    None => return false,
                    Some(outbox) => {
                        outbox.log(Level::Warning, note);
                        (outbox, outcome)
                    }
                },
            };
            let reporter = Reporter { hub: &core.hub, job, lease, outbox, folder: folder.clone() };
            reporter.end(&outcome).await;
            true
        };
        let sent = tokio::select! {
            () = core.aborted() => return,
            () = lost => false,
            sent = work => sent,
        };
        if !sent {
            tracing::warn!(job.id = %job, "the lease of an earlier agent's job is lost; nothing is reported");
            crate::report::forget(&folder);
        }
    }
}

/// The lines of `rpa.log` that the hub does not have. `None` when the lease is lost.
async fn late_lines(core: &Core, lease: &LeaseFile, folder: &JobFolder) -> Option<Outbox> {
    let limits = core.settings.log_limits();
    let limit = limits.spool;
    let place = folder.clone();
    let first = off_loop(move || read_log(&place, limit).ok()?.next()).await.flatten();
    let Some(first) = first else { return Some(Outbox::new(folder.clone(), limits, 0)) };
    let stored = match lines_at_hub(core, lease, first).await {
        Ok(stored) => stored,
        Err(error) if error.is_stale_lease() => return None,
        Err(error) => {
            tracing::warn!(job.id = %lease.job_id, %error, "the number of log lines at the hub cannot be determined");
            return Some(Outbox::new(folder.clone(), LogLimits { spool: 0, ..limits }, 0));
        }
    };
    let (outbox, place) = (Outbox::new(folder.clone(), limits, stored), folder.clone());
    off_loop(move || {
        let Ok(lines) = read_log(&place, limit) else { return outbox };
        let mut late = lines.skip(usize::try_from(stored).unwrap_or_default());
        loop {
            let chunk: Vec<_> = late.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                return outbox;
            }
            outbox.extend(chunk);
        }
    })
    .await
}

/// Reads possibly large files on a blocking thread, so that heartbeats continue. `None`: the agent ends.
async fn off_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// How many lines the hub has, at least one: the first line is sent again with its offset, and ignored if the hub has it.
async fn lines_at_hub(core: &Core, lease: &LeaseFile, first: LogEntry) -> Result<i64, HubError> {
    let mut backoff = Backoff::new(Duration::from_secs(10));
    loop {
        match core.hub.log(lease.job_id, lease.lease_token, vec![first.clone()], Some(0)).await {
            Ok(answer) => return Ok(answer.log_id.max(1)),
            Err(error) if error.is_transient() || error.is_unauthorized() => {
                tokio::time::sleep(backoff.step(error.retry_after())).await;
            }
            Err(error) => return Err(error),
        }
    }
}
