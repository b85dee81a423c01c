//! Converts rows to API types.

use store::{
    job_events::JobEvent,
    job_logs::Line,
    jobs::{FullJob, NewJob},
};

pub(crate) fn job(from: FullJob) -> api_types::Job {
    let FullJob { row, parameters } = from;
    let (error_class, error_message) = row.job.failure.map(|failure| (failure.class, failure.message)).unzip();
    api_types::Job {
        id: row.job.id,
        job_id: row.job.id,
        automation_id: row.automation_id,
        queue_name: row.queue_name,
        status: row.job.status,
        trigger: row.trigger,
        priority: row.priority,
        parameters,
        result: row.result,
        error_class,
        error_message,
        attempt: row.attempt,
        retry_of: row.retry_of,
        worker_id: row.job.lease.as_ref().and_then(|lease| lease.worker_id),
        progress: row.progress.and_then(|progress| serde_json::from_value(progress).ok()),
        created_at: row.created_at,
        not_before: row.not_before,
        dispatched_at: row.dispatched_at,
        started_at: row.started_at,
        completed_at: row.completed_at,
        last_heartbeat_at: row.last_heartbeat_at,
        lease_expires_at: row.job.lease.filter(|_| row.job.status.is_held()).map(|lease| lease.expires_at),
        cancellation_requested_at: row.cancellation_requested_at,
        paused_at: row.paused_at,
        concurrency_key: row.terms.concurrency_key,
        requested_by: row.origin.requested_by,
        schedule_id: row.origin.schedule_id,
        version_id: row.terms.version_id,
        environment: row.terms.environment,
        requires: row.terms.requires,
        queue_deadline_at: row.terms.queue_deadline_at,
        waiting_reason: None,
    }
}

/// A new job.
pub(crate) fn new_job(new: NewJob) -> api_types::Job {
    job(FullJob { row: new.row(), parameters: new.parameters })
}

pub(crate) fn log_line((log_id, line): (i64, Line)) -> api_types::LogLine {
    api_types::LogLine { log_id, timestamp: line.timestamp, level: line.level, message: line.message, actionable: line.actionable }
}

pub(crate) fn event(from: JobEvent) -> api_types::JobEvent {
    api_types::JobEvent { id: from.id, kind: from.kind, actor: from.actor, detail: from.detail, created_at: from.created_at }
}
