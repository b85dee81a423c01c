//! Commands to the writer, and their outcomes.

use std::sync::Arc;

use api_types::{HeartbeatRequest, HeartbeatResponse};
use auth::Principal;
use chrono::{DateTime, Utc};
use domain::{
    audit::{self, Entry, Target},
    ids::{JobEventId, JobId},
    job::{Caller, Lease, Outcome, Status},
};
use runtime::{Editor, Failure};
use serde_json::{Value, json};
use store::{job_events::JobEvent, job_logs::Line, jobs::NewJob};
use tokio::sync::oneshot;

use super::recording::Recording;
use crate::dispatch::{Claim, ClaimReply};

/// A request to the writer, with its reply channel.
pub(crate) enum Request {
    Write(Envelope),
    Claim(Claim, ClaimReply),
}

/// A command with its reply channel.
pub(crate) struct Envelope {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// Outcome of a command.
pub(crate) type Reply = Result<Done, Failure>;

/// Result of a command.
#[derive(Debug)]
pub(crate) enum Done {
    Inserted(Inserted),
    Changed(Changed),
    Renewed(HeartbeatResponse),
}

/// A change of job rows.
pub(crate) enum Command {
    /// Accept a job. What a person asks for is recorded.
    Insert(Box<NewJob>, Option<Recording>),
    /// Change a job. A worker's report carries its principal; a change by the orchestrator carries none.
    Change(JobId, Box<Change>, Option<Arc<Principal>>),
    /// Renew a worker's leases.
    Heartbeat(HeartbeatRequest, Arc<Principal>),
}

impl Command {
    /// The jobs whose rows it needs.
    pub(super) fn job_ids(&self) -> impl Iterator<Item = JobId> {
        let (one, many) = match self {
            Self::Change(id, ..) => (Some(*id), &[][..]),
            Self::Heartbeat(request, _) => (None, request.jobs.as_slice()),
            Self::Insert(..) => (None, &[][..]),
        };
        one.into_iter().chain(many.iter().map(|held| held.job_id))
    }
}

/// An accepted job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inserted {
    pub(crate) id: JobId,
    /// Whether it had been accepted before with the same idempotency key.
    pub(crate) replayed: bool,
    /// Whether the request differs from the earlier one with the same key.
    pub(crate) differs: bool,
}

/// A report about a job, or an action on it.
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
    /// A foreign worker polls for cancellation, which is its heartbeat.
    Cancellation {
        caller: Caller,
    },
    /// The lease may have expired.
    Expire,
    /// It may have exceeded its time limit.
    TimeOut,
    /// It may have exceeded its queue time-out.
    GiveUp,
    /// A person or program controls it.
    Control(Control),
    /// Its message was dead-lettered.
    DeadLetter {
        reason: String,
    },
}

impl Change {
    /// Whether it can fail a job.
    pub(super) const fn may_fail(&self) -> bool {
        match self {
            Self::Finish(finish) => matches!(finish.outcome, Outcome::Failed(_) | Outcome::Canceled),
            Self::Expire | Self::TimeOut | Self::GiveUp | Self::DeadLetter { .. } => true,
            Self::Start { .. } | Self::Log { .. } | Self::Progress { .. } | Self::Cancellation { .. } | Self::Control(_) => false,
        }
    }
}

/// A control action on a job.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    pub(crate) action: Action,
    /// Who requested it.
    pub(crate) by: String,
    /// What it is recorded with, unless it follows from another change.
    pub(crate) change: Option<audit::Change>,
    /// Reason, for people.
    pub(crate) reason: Option<String>,
}

impl Control {
    pub(crate) fn new(action: Action, by: &Editor, reason: Option<String>) -> Self {
        Self { action, by: by.name(), change: Some(by.change().clone()), reason }
    }

    /// The entry about a job that this control led from one state to the other.
    pub(super) fn entry(&self, job_id: JobId, before: &Changed, after: &Changed) -> Option<Entry> {
        let change = self.change.as_ref()?;
        let action = match self.action {
            Action::Cancel => "job.cancel",
            Action::Pause => "job.pause",
            Action::Resume => "job.resume",
        };
        let state = |of: &Changed| json!({"status": of.status, "cancellation_requested": of.cancellation_requested});
        let mut after = state(after);
        if let Some(reason) = &self.reason {
            after["reason"] = json!(reason);
        }
        Some(change.entry(action, Target::new("job", job_id), Some(state(before)), Some(after)))
    }

    /// The event that records it.
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

/// Log lines, and the number of lines that the worker had sent before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    pub(crate) lines: Vec<Line>,
    pub(crate) offset: Option<i64>,
}

/// Outcome of a change.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) status: Status,
    pub(crate) lease: Option<Lease>,
    pub(crate) log_lines: i64,
    pub(crate) cancellation_requested: bool,
    /// Whether it was a repetition and changed nothing.
    pub(crate) late: bool,
}
