//! The columns of `jobs`. A new column needs a line here, a field in [`crate::jobs`], and a migration.

use domain::{
    ids::{JobId, ScheduleId, VersionId, WorkerId},
    job::{ErrorClass, Failure, Lease, Status, Trigger},
};
use sea_orm::{QueryResult, Value, entity::prelude::*};

use super::columns::Cells;
use crate::jobs::{JobRow, NewJob};

columns! {
    table "jobs", new NewJob, row JobRow, blank JobRow::blank(JobId::default());

    #[sea_orm(primary_key, auto_increment = false)]
    id: Uuid { insert: |new| new.id.into(), load: |row, id| row.job.id = id.into(), }
    automation_id: i32 { insert: |new| new.automation_id.get(), load: |row, id| row.automation_id = id.into(), }
    queue_name: String { insert: |new| new.queue_name.clone(), load: |row, name| row.queue_name = name, }
    status: String {
        insert: |_| Status::Pending.as_str().to_owned(),
        update: |row| row.job.status.as_str().to_owned(),
        parse: |row, status| Status::parse(&status).map(|status| row.job.status = status),
    }
    trigger: String {
        insert: |new| new.trigger.as_str().to_owned(),
        parse: |row, trigger| Trigger::parse(&trigger).map(|trigger| row.trigger = trigger),
    }
    priority: i32 { insert: |new| new.priority, load: |row, priority| row.priority = priority, }
    // Parameters and result may be large and are loaded only where they are needed. A result is kept until another is written.
    parameters: Json { insert: |new| Json::Object(new.parameters.clone()), }
    result: Option<Json> { update: |row| row.result.clone(), }
    error_class: Option<String> {
        update: |row| row.job.failure.as_ref().map(|failure| failure.class.as_str().to_owned()),
        load: |row, class| {
            row.job.failure = class.map(|class| Failure { class: ErrorClass::parse_or_unknown(&class), message: String::new() });
        },
    }
    error_message: Option<String> {
        update: |row| row.job.failure.as_ref().map(|failure| failure.message.clone()),
        load: |row, message| {
            if let Some(failure) = &mut row.job.failure {
                failure.message = message.unwrap_or_default();
            }
        },
    }
    attempt: i32 { insert: |new| new.attempt, load: |row, attempt| row.attempt = attempt, }
    retry_of: Option<Uuid> { insert: |new| new.retry_of.map(JobId::get), load: |row, id| row.retry_of = id.map(JobId::from), }
    // The lease: it exists if both token and expiry are set.
    lease_token: Option<Uuid> {
        update: |row| row.job.lease.as_ref().map(|lease| lease.token),
        load: |row, token| {
            row.job.lease = token.map(|token| Lease { token, worker_id: None, expires_at: ChronoDateTimeUtc::UNIX_EPOCH });
        },
    }
    worker_id: Option<Uuid> {
        update: |row| row.job.lease.as_ref().and_then(|lease| lease.worker_id).map(WorkerId::get),
        load: |row, id| {
            if let Some(lease) = &mut row.job.lease {
                lease.worker_id = id.map(WorkerId::from);
            }
        },
    }
    lease_expires_at: Option<ChronoDateTimeUtc> {
        update: |row| row.job.lease.as_ref().map(|lease| lease.expires_at),
        load: |row, at| row.job.lease = row.job.lease.take().zip(at).map(|(lease, expires_at)| Lease { expires_at, ..lease }),
    }
    progress: Option<Json> { update: |row| row.progress.clone(), load: |row, progress| row.progress = progress, }
    idempotency_key: Option<String> { insert: |new| new.idempotency_key.clone(), }
    request_digest: Option<String> { insert: |new| new.request_digest.clone(), }
    created_at: ChronoDateTimeUtc { insert: |new| new.created_at, load: |row, at| row.created_at = at, }
    not_before: Option<ChronoDateTimeUtc> {
        insert: |new| new.not_before,
        update: |row| row.not_before,
        load: |row, at| row.not_before = at,
    }
    dispatch_started_at: Option<ChronoDateTimeUtc> {
        insert: |new| new.dispatch_started_at,
        update: |row| row.dispatch_started_at,
        load: |row, at| row.dispatch_started_at = at,
    }
    dispatched_at: Option<ChronoDateTimeUtc> { update: |row| row.dispatched_at, load: |row, at| row.dispatched_at = at, }
    started_at: Option<ChronoDateTimeUtc> { update: |row| row.started_at, load: |row, at| row.started_at = at, }
    completed_at: Option<ChronoDateTimeUtc> { update: |row| row.completed_at, load: |row, at| row.completed_at = at, }
    last_heartbeat_at: Option<ChronoDateTimeUtc> { update: |row| row.last_heartbeat_at, load: |row, at| row.last_heartbeat_at = at, }
    cancellation_requested_at: Option<ChronoDateTimeUtc> {
        update: |row| row.cancellation_requested_at,
        load: |row, at| {
            row.job.cancellation_requested = at.is_some();
            row.cancellation_requested_at = at;
        },
    }
    log_lines: i64 { insert: |_| 0, update: |row| row.log_lines, load: |row, lines| row.log_lines = lines, }
    log_bytes: i64 { update: |row| row.log_bytes, load: |row, bytes| row.log_bytes = bytes, }
    log_left_out: i64 { update: |row| row.log_left_out, load: |row, lines| row.log_left_out = lines, }
    log_offset: i64 { insert: |_| 0, update: |row| row.log_offset, load: |row, offset| row.log_offset = offset, }
    // Incremented by every update: see `jobs::write`.
    version: i64 { insert: |_| 0, load: |row, version| row.version = version, }
    deadline_at: Option<ChronoDateTimeUtc> { update: |row| row.deadline_at, load: |row, at| row.deadline_at = at, }
    paused_at: Option<ChronoDateTimeUtc> { update: |row| row.paused_at, load: |row, at| row.paused_at = at, }
    paused_ms: i64 { insert: |_| 0, update: |row| row.paused_ms, load: |row, millis| row.paused_ms = millis, }
    // Terms.
    timeout_s: Option<i64> { insert: |new| new.terms.timeout_s, load: |row, seconds| row.terms.timeout_s = seconds, }
    queue_deadline_at: Option<ChronoDateTimeUtc> {
        insert: |new| new.terms.queue_deadline_at,
        load: |row, at| row.terms.queue_deadline_at = at,
    }
    max_attempts: Option<i32> { insert: |new| new.terms.max_attempts, load: |row, attempts| row.terms.max_attempts = attempts, }
    cancel_grace_s: Option<i64> { insert: |new| new.terms.cancel_grace_s, load: |row, seconds| row.terms.cancel_grace_s = seconds, }
    concurrency_key: Option<String> {
        insert: |new| new.terms.concurrency_key.clone(),
        load: |row, key| row.terms.concurrency_key = key,
    }
    retry_backoff_s: Option<i64> { insert: |new| new.terms.retry_backoff_s, load: |row, seconds| row.terms.retry_backoff_s = seconds, }
    max_concurrency: Option<i32> { insert: |new| new.terms.max_concurrency, load: |row, jobs| row.terms.max_concurrency = jobs, }
    requires: Option<String> {
        insert: |new| Some(new.terms.requires.join(",")).filter(|labels| !labels.is_empty()),
        load: |row, labels| {
            row.terms.requires = labels.map(|labels| labels.split(',').map(str::to_owned).collect()).unwrap_or_default();
        },
    }
    version_id: Option<Uuid> { insert: |new| new.terms.version_id.map(VersionId::get), load: |row, id| row.terms.version_id = id.map(VersionId::from), }
    environment: Option<String> { insert: |new| new.terms.environment.clone(), load: |row, name| row.terms.environment = name, }
    // Origin.
    requested_by: Option<String> { insert: |new| new.origin.requested_by.clone(), load: |row, by| row.origin.requested_by = by, }
    schedule_id: Option<Uuid> { insert: |new| new.origin.schedule_id.map(ScheduleId::get), load: |row, id| row.origin.schedule_id = id.map(ScheduleId::from), }
    traceparent: Option<String> { insert: |new| new.origin.traceparent.clone(), load: |row, trace| row.origin.traceparent = trace, }
    // Deliveries without a start; not part of the job's state, and not versioned.
    unstarted: i32 {}
    held_at: Option<ChronoDateTimeUtc> {}
    refused_keys: i32 {}
    refused_key_at: Option<ChronoDateTimeUtc> {}
}
