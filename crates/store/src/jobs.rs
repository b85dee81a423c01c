//! Jobs. The row is the command: a job exists once its row is committed, and messages, events and caches only follow it. Every write
//! carries the version at which the row was loaded, so that concurrent transitions cannot overwrite each other.

mod dispatch;
mod list;
mod read;
mod unstarted;
mod waiting;
mod write;

use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, JobId},
    job::{Accepted, Earlier, Job, Trigger},
    policy::Overlap,
};
use serde_json::{Map, Value};

pub use domain::job::{Origin, Terms};

pub(crate) use self::write::in_few_lengths;
pub use self::{
    dispatch::{
        CandidateFilter, job_confirm_dispatched_in_txn, job_count_active_by_key_in_txn, job_count_active_by_schedule_in_txn,
        job_count_active_in_txn, job_list_active_in_txn, job_list_candidates_in_txn, job_list_expired_unscoped, job_list_held_by_unscoped,
        job_list_held_unscoped, job_list_overdue_unscoped, job_list_queue_overdue_unscoped, job_list_required_in_txn,
        job_list_undelivered_unscoped, job_lock_admission_in_txn, job_queues_waiting, job_release_unconfirmed, job_undispatch_in_txn,
    },
    list::{Filter, JobPage, Payload, job_count, job_list_page, job_load_payloads},
    read::{
        Idempotent, KeySpan, job_find_idempotent_unscoped, job_get, job_get_row, job_list_keyed_unscoped, job_list_versions_unscoped,
        job_load, job_load_for_update_in_txn, job_payloads,
    },
    unstarted::{job_list_dispatched_before_in_txn, job_list_unstarted_unscoped, job_note_refused, job_undeliver_in_txn, job_unpark},
    waiting::{ActiveJob, job_has_dispatched_unscoped, job_list_active_unscoped, job_list_waiting_unscoped, job_next_unscoped},
    write::{MOST_AT_ONCE, job_insert_at_once, job_insert_many_in_txn, job_update_at_once, job_update_many_in_txn},
};

/// A job to insert.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// Id, UUID v7 of `created_at`.
    pub id: JobId,
    /// Automation it runs.
    pub automation_id: AutomationId,
    /// Queue.
    pub queue_name: String,
    /// Kind of caller.
    pub trigger: Trigger,
    /// 0 to 9.
    pub priority: i32,
    /// Parameters that the robot receives.
    pub parameters: Map<String, Value>,
    /// Number of the attempt, from 1.
    pub attempt: i32,
    /// Job that it retries.
    pub retry_of: Option<JobId>,
    /// Makes a repeated request return the same job.
    pub idempotency_key: Option<String>,
    /// Digest of the request with that key: a different request with the same key is refused.
    pub request_digest: Option<String>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// Earliest start.
    pub not_before: Option<DateTime<Utc>>,
    /// Set when it is published right after the commit.
    pub dispatch_started_at: Option<DateTime<Utc>>,
    /// What happens to it while another job of the automation (with the same concurrency key) is pending or running. Not stored: it matters
    /// to the insert alone.
    pub overlap: Overlap,
    /// Who or what requested it.
    pub origin: Origin,
    /// Settings that were fixed when it was accepted.
    pub terms: Terms,
}

/// A job without its parameters: everything that transitions read or change.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRow {
    /// State and lease.
    pub job: Job,
    /// Automation it runs.
    pub automation_id: AutomationId,
    /// Queue.
    pub queue_name: String,
    /// 0 to 9.
    pub priority: i32,
    /// Kind of caller.
    pub trigger: Trigger,
    /// Number of the attempt, from 1.
    pub attempt: i32,
    /// Job that it retries.
    pub retry_of: Option<JobId>,
    /// Result of the robot. Not loaded by [`job_load_for_update_in_txn`]; written when set.
    pub result: Option<Value>,
    /// Progress that its robot reported last.
    pub progress: Option<Value>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// Earliest start.
    pub not_before: Option<DateTime<Utc>>,
    /// When it was selected for dispatch; its message may not have reached the broker.
    pub dispatch_started_at: Option<DateTime<Utc>>,
    /// When the broker confirmed its message, or a worker claimed it.
    pub dispatched_at: Option<DateTime<Utc>>,
    /// When a worker started it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// When the last heartbeat of its worker arrived.
    pub last_heartbeat_at: Option<DateTime<Utc>>,
    /// When its cancellation was requested.
    pub cancellation_requested_at: Option<DateTime<Utc>>,
    /// Number of its log lines.
    pub log_lines: i64,
    /// Size of their messages in bytes.
    pub log_bytes: i64,
    /// Log lines that were not stored because the log had reached its limit.
    pub log_left_out: i64,
    /// Log lines that its worker has sent so far.
    pub log_offset: i64,
    /// When it reaches its time limit; `None`: it has none, or its clock is stopped.
    pub deadline_at: Option<DateTime<Utc>>,
    /// When it was paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Duration of its earlier pauses in milliseconds.
    pub paused_ms: i64,
    /// Who or what requested it.
    pub origin: Origin,
    /// Settings that were fixed when it was accepted.
    pub terms: Terms,
    /// Number of writes of the row; a write based on another version is refused.
    pub version: i64,
}

impl NewJob {
    /// The row of an accepted job, without a key.
    #[must_use]
    pub fn new(id: JobId, automation_id: AutomationId, accepted: Accepted, created_at: DateTime<Utc>) -> Self {
        let Accepted { queue_name, trigger, priority, parameters, attempt, retry_of, not_before, overlap, origin, terms } = accepted;
        Self {
            id,
            automation_id,
            queue_name,
            trigger,
            priority,
            parameters,
            attempt,
            retry_of,
            idempotency_key: None,
            request_digest: None,
            created_at,
            not_before,
            dispatch_started_at: None,
            overlap,
            origin,
            terms,
        }
    }

    /// The row as it is after the insert.
    #[must_use]
    pub fn row(&self) -> JobRow {
        JobRow {
            automation_id: self.automation_id,
            queue_name: self.queue_name.clone(),
            priority: self.priority,
            trigger: self.trigger,
            attempt: self.attempt,
            retry_of: self.retry_of,
            created_at: self.created_at,
            not_before: self.not_before,
            dispatch_started_at: self.dispatch_started_at,
            origin: self.origin.clone(),
            terms: self.terms.clone(),
            ..JobRow::blank(self.id)
        }
    }
}

impl JobRow {
    /// The job as the predecessor of a retry.
    #[must_use]
    pub fn earlier(&self) -> Earlier<'_> {
        Earlier {
            job: &self.job,
            attempt: self.attempt,
            queue_name: &self.queue_name,
            priority: self.priority,
            origin: &self.origin,
            terms: &self.terms,
        }
    }

    /// A new pending job with default values.
    pub(crate) fn blank(id: JobId) -> Self {
        Self {
            job: Job::pending(id),
            automation_id: AutomationId::new(0),
            queue_name: String::new(),
            priority: 0,
            trigger: Trigger::Manual,
            attempt: 0,
            retry_of: None,
            result: None,
            progress: None,
            created_at: DateTime::UNIX_EPOCH,
            not_before: None,
            dispatch_started_at: None,
            dispatched_at: None,
            started_at: None,
            completed_at: None,
            last_heartbeat_at: None,
            cancellation_requested_at: None,
            log_lines: 0,
            log_bytes: 0,
            log_left_out: 0,
            log_offset: 0,
            deadline_at: None,
            paused_at: None,
            paused_ms: 0,
            origin: Origin::default(),
            terms: Terms::default(),
            version: 0,
        }
    }
}

/// A job with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct FullJob {
    /// Everything but its parameters.
    pub row: JobRow,
    /// Parameters that the robot receives.
    pub parameters: Map<String, Value>,
}
