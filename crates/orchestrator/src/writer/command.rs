//! What the writer is asked to do, and how it answers.

use std::sync::Arc;

use api_types::{HeartbeatRequest, HeartbeatResponse};
use auth::Principal;
use chrono::{DateTime, Utc};
use domain::{
    ids::{JobEventId, JobId},
    job::{Caller, Lease, Outcome, Status},
};
use runtime::Failure;
use serde_json::{Value, json};
use store::{job_events::JobEvent, job_logs::Line, jobs::NewJob};
use tokio::sync::oneshot;

use crate::dispatch::{Claim, ClaimReply};

/// What the writer is handed, with the way back to whoever waits for the outcome.
pub(crate) enum Request {
    Write(Envelope),
    Claim(Claim, ClaimReply),
}

/// A command with the way back to whoever waits for its outcome.
pub(crate) struct Envelope {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// How a command went.
pub(crate) type Reply = Result<Done, Failure>;

/// What a command led to.
#[derive(Debug)]
pub(crate) enum Done {
    Inserted(Inserted),
    Changed(Changed),
    Renewed(HeartbeatResponse),
}

/// A change of job rows.
pub(crate) enum Command {
    /// Accept a job.
    Insert(Box<NewJob>),
    /// Change a job. A worker's report carries who makes it; what the orchestrator does itself carries none.
    Change(JobId, Box<Change>, Option<Arc<Principal>>),
    /// Renew a worker's leases.
    Heartbeat(HeartbeatRequest, Arc<Principal>),
}

impl Command {
    /// The jobs that must be loaded to carry it out.
    pub(super) fn job_ids(&self) -> impl Iterator<Item = JobId> {
        let (one, many) = match self {
            Self::Change(id, ..) => (Some(*id), &[][..]),
            Self::Heartbeat(request, _) => (None, request.jobs.as_slice()),
            Self::Insert(_) => (None, &[][..]),
        };
        one.into_iter().chain(many.iter().map(|held| held.job_id))
    }
}

/// An accepted job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inserted {
    pub(crate) id: JobId,
    /// It had been accepted before under the same idempotency key.
    pub(crate) replayed: bool,
    /// What is asked with the key is not what was asked with it before.
    pub(crate) differs: bool,
}

/// What somebody reports about a job, or does to it.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Start {
        caller: Caller,
    },
    Log {
        caller: Caller,
        lines: Lines,
    },
    Progress {
        caller: Caller,
        progress: Value,
    },
    Finish(Finish),
    /// A foreign worker asks whether to stop, which is its heartbeat.
    Cancellation {
        caller: Caller,
    },
    /// The lease may have ended.
    Expire,
    /// Its time may be up.
    TimeOut,
    /// It may have waited too long.
    GiveUp,
    /// Somebody acts on it.
    Control(Control),
    /// The message ended in the dead-letter queue.
    DeadLetter {
        reason: String,
    },
}

impl Change {
    /// Whether it can let a job fail.
    pub(super) const fn may_fail(&self) -> bool {
        match self {
            Self::Finish(finish) => matches!(finish.outcome, Outcome::Failed(_) | Outcome::Canceled),
            Self::Expire | Self::TimeOut | Self::GiveUp | Self::DeadLetter { .. } => true,
            Self::Start { .. } | Self::Log { .. } | Self::Progress { .. } | Self::Cancellation { .. } | Self::Control(_) => false,
        }
    }
}

/// What somebody does to a job.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    pub(crate) action: Action,
    /// Who.
    pub(crate) by: String,
    /// Why, in their words.
    pub(crate) reason: Option<String>,
}

impl Control {
    pub(crate) fn new(action: Action, by: &Principal, reason: Option<String>) -> Self {
        Self { action, by: by.name(), reason }
    }

    /// What is kept of it, under the id `id`.
    pub(crate) fn event(&self, id: JobEventId, job_id: JobId, kind: &str, now: DateTime<Utc>) -> JobEvent {
        let detail = json!({"by": self.by, "reason": self.reason});
        JobEvent { id, job_id, kind: kind.into(), actor: Some(self.by.clone()), detail, created_at: now }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Cancel,
    Pause,
    Resume,
}

/// The end of a job, with its last lines.
#[derive(Clone, Debug)]
pub(crate) struct Finish {
    pub(crate) caller: Caller,
    pub(crate) outcome: Outcome,
    pub(crate) result: Option<Value>,
    pub(crate) lines: Lines,
    pub(crate) progress: Option<Value>,
}

/// Log lines, and how many the worker had sent before them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    pub(crate) lines: Vec<Line>,
    pub(crate) offset: Option<i64>,
}

/// How a change went.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) status: Status,
    pub(crate) lease: Option<Lease>,
    pub(crate) log_lines: i64,
    pub(crate) cancellation_requested: bool,
    /// It had happened before and changed nothing now.
    pub(crate) late: bool,
}
