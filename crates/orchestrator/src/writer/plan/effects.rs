//! Effects of a transaction. They are performed only after the commit, and dropped with a transaction that fails.

use std::{collections::HashMap, time::Duration};

use api_types::JobAssignment;
use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, JobId, WorkerId},
    job::Status,
};
use store::jobs::{JobRow, NewJob};
use tokio::time::Instant;

use crate::{
    dispatch::{ControlMessage, Findings, Publication},
    writer::{command::Reply, memory::Memory},
};

#[derive(Default)]
pub(crate) struct Effects {
    /// Replies to the commands, in order.
    pub(crate) replies: Vec<Reply>,
    /// Jobs that changed.
    pub(crate) changed: Vec<JobChange>,
    /// Jobs that were accepted.
    pub(crate) created: Vec<JobChange>,
    /// Messages to publish.
    pub(crate) publications: Vec<Publication>,
    /// Assignments by the ids of waiting claims.
    pub(crate) assignments: HashMap<u64, Vec<JobAssignment>>,
    /// Control messages to workers.
    pub(crate) control: Vec<ControlMessage>,
    /// Jobs that returned to the backlog, with their queues.
    pub(crate) released: Vec<(JobId, String)>,
    /// Findings of the selection.
    pub(crate) findings: Findings,
    /// Written rows.
    pub(crate) written: Vec<JobRow>,
    /// Cached rows that may be outdated.
    pub(crate) outdated: Vec<JobId>,
}

/// Maximum time until a rate limit is checked again, because the limit may change.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Effects {
    /// Updates the writer's caches. `now` and `instant` are the same time.
    pub(crate) fn remember(&mut self, memory: &mut Memory, now: DateTime<Utc>, instant: Instant) {
        let Memory { state, rows } = memory;
        rows.forget(std::mem::take(&mut self.outdated));
        std::mem::take(&mut self.written).into_iter().for_each(|row| rows.committed(row));
        for job in self.changed.iter().chain(&self.created) {
            state.committed(&job.queue, job.id, job.status, job.worker_id);
        }
        self.released.iter().for_each(|(id, queue)| state.released(queue, *id));
        self.publications.iter().for_each(|publication| state.dispatched(&publication.queue, publication.job_id));
        let findings = std::mem::take(&mut self.findings);
        let next_start = findings.next_start_at.map(|at| (at - now).to_std().unwrap_or_default().min(LONGEST_PAUSE));
        state.found(findings, next_start, instant);
        state.claims.mark_seen();
    }
}

/// A changed job with its new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobChange {
    pub(crate) id: JobId,
    pub(crate) queue: String,
    pub(crate) automation_id: AutomationId,
    pub(crate) status: Status,
    pub(crate) changed_status: bool,
    pub(crate) error_class: Option<&'static str>,
    pub(crate) worker_id: Option<WorkerId>,
    pub(crate) traceparent: Option<String>,
}

impl JobChange {
    /// A row that had the status `before`.
    pub(super) fn of(row: &JobRow, before: Status) -> Self {
        Self {
            id: row.job.id,
            queue: row.queue_name.clone(),
            automation_id: row.automation_id,
            status: row.job.status,
            changed_status: row.job.status != before,
            error_class: row.job.failure.as_ref().map(|failure| failure.class.as_str()),
            worker_id: row.job.lease.as_ref().and_then(|lease| lease.worker_id),
            traceparent: row.origin.traceparent.clone(),
        }
    }

    pub(super) fn created(new: &NewJob) -> Self {
        Self {
            id: new.id,
            queue: new.queue_name.clone(),
            automation_id: new.automation_id,
            status: Status::Pending,
            changed_status: true,
            error_class: None,
            worker_id: None,
            traceparent: new.origin.traceparent.clone(),
        }
    }
}
