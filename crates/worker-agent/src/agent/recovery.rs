//! What became of the jobs of an agent that died: found at the start, told to the hub as it is.

use std::{io, sync::Arc, time::Duration};

use api_types::LogEntry;
use chrono::{DateTime, Utc};
use domain::{job::ErrorClass, log::Level};
use serde_json::Value;
use uuid::Uuid;

use super::{core::Core, folders::job_folders};
use crate::{
    HubError, JobFolder, Outbox, Outcome,
    backoff::Backoff,
    held::Hold,
    lease_file::LeaseFile,
    outbox::LogLimits,
    process::{read_end, read_log, read_result, tree, well, write_end},
    report::{Reporter, SavedEnd},
    signal::Stop,
};

/// Lines taken from the disk at once.
const CHUNK: usize = 500;

/// A job of an earlier agent, held from now on.
pub(super) struct Unreported {
    hold: Hold,
    folder: JobFolder,
    end: End,
}

enum End {
    /// The earlier agent knew it and could not send it.
    Saved(SavedEnd),
    /// The earlier agent died before it knew it; `note` is for the job's log.
    Found { lease: LeaseFile, outcome: Outcome, note: &'static str },
}

/// Ends the programs that an earlier agent has left, and gives the jobs whose end the hub does not have.
pub(super) fn find(core: &Core) -> Vec<Unreported> {
    let mut found = Vec::new();
    for (job, folder) in job_folders(&core.settings.jobs_dir()) {
        let Some(end) = end_in(job, &folder) else { continue };
        found.extend(core.held.hold(job, Some(end.lease_token())).map(|hold| Unreported { hold, folder, end }));
    }
    found
}

fn end_in(job: Uuid, folder: &JobFolder) -> Option<End> {
    // What is no end, the job's program may have put there.
    if let Ok(end) = SavedEnd::read(folder, job) {
        return Some(End::Saved(end));
    }
    let lease = match LeaseFile::read(folder, job) {
        Ok(lease) => lease,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(job.id = %job, %error, "the lease that an earlier worker has left of a job cannot be read");
            tree::kill_left(job, None, None);
            return None;
        }
    };
    let left = tree::kill_left(lease.job_id, lease.program.as_ref(), lease.supervisor.as_ref());
    if left.killed > 0 {
        tracing::warn!(job.id = %lease.job_id, processes = left.killed, "killed what an earlier worker had left running");
    }
    let (outcome, note) = judge(&lease, folder, left.root_ran);
    write_end(folder, &outcome);
    Some(End::Found { lease, outcome, note })
}

/// How the job ended, as far as the disk tells. The exit code of a program whose parent has died is nobody's to know.
fn judge(lease: &LeaseFile, folder: &JobFolder, ran: bool) -> (Outcome, &'static str) {
    let result = result_since(lease.started_at, folder);
    if let Some(end) = read_end(folder) {
        return (Outcome { result, ..end }, "the worker was restarted before it could report the job's end, which it does now");
    }
    if ran {
        let message = "the worker died while the program ran; when it was back it killed the program, which nobody followed any more";
        return (Outcome { result, ..Outcome::failed(ErrorClass::Killed, message) }, "the worker was restarted while the program ran");
    }
    match result {
        Some(result) => {
            (of_result(result), "the worker was restarted; meanwhile the program ended and left this result, its exit code is unknown")
        }
        None => {
            let message =
                "the worker died while the program ran; the program ended meanwhile without a result, and its exit code is unknown";
            (Outcome::failed(ErrorClass::Killed, message), "the worker was restarted; meanwhile the program ended without a result")
        }
    }
}

/// A result that the program itself calls a failure is one.
fn of_result(result: Value) -> Outcome {
    let failed = matches!(result["status"].as_str(), Some("failed" | "error"));
    if !failed {
        return well(Some(result));
    }
    let reason = ["error", "message", "mensagem"].iter().find_map(|name| result[*name].as_str());
    let message = reason.unwrap_or("the program's result says that it failed").to_owned();
    let class = ErrorClass::of_result(&result).unwrap_or(ErrorClass::RobotError);
    Outcome { result: Some(result), ..Outcome::failed(class, message) }
}

/// `result.json`, unless it is older than the job's start: then it is not this program's.
fn result_since(started_at: DateTime<Utc>, folder: &JobFolder) -> Option<Value> {
    let modified = DateTime::from_timestamp(folder.stat("result.json").ok()?.st_mtime, 0)?;
    // The clock of a file system is a little behind, and only its seconds are looked at.
    if modified + Duration::from_secs(2) < started_at {
        return None;
    }
    let read = read_result(folder).unwrap_or_else(|reason| {
        tracing::warn!(folder = %folder.path().display(), reason, "the result of an earlier worker's job is not reported");
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
    /// Sends the lines that the hub does not have, and the end, for as long as it takes. Cancel safe: what is not sent stays on disk.
    pub(super) async fn send(self, core: Arc<Core>) {
        let Self { hold, folder, end } = self;
        let mut stop = hold.signals().0;
        let lost = async {
            while stop.stopped().await != Stop::Stale {
                stop.changed().await;
            }
        };
        let (job, lease) = (hold.job(), end.lease_token());
        tracing::info!(job.id = %job, "sending the end of a job of an earlier run");
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
            tracing::warn!(job.id = %job, "the job of an earlier run is not this worker's any more, nothing is reported");
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
    let known = match lines_at_hub(core, lease, first).await {
        Ok(known) => known,
        Err(error) if error.is_stale_lease() => return None,
        Err(error) => {
            tracing::warn!(job.id = %lease.job_id, %error, "the hub does not say how many log lines it has");
            return Some(Outbox::new(folder.clone(), LogLimits { spool: 0, ..limits }, 0));
        }
    };
    let (outbox, place) = (Outbox::new(folder.clone(), limits, known), folder.clone());
    off_loop(move || {
        let Ok(lines) = read_log(&place, limit) else { return outbox };
        let mut late = lines.skip(usize::try_from(known).unwrap_or_default());
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

/// Reads what may be long while heartbeats go on. `None`: the agent ends.
async fn off_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// How many lines the hub has, at least one: the first line is sent as the first, and passed over when it is there.
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
