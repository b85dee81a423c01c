//! Applies a change to a job's row. A refused change leaves the row unchanged.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    audit::Entry,
    ids::WorkerId,
    job::{Caller, FinishOutcome, Outcome, Refusal, StartOutcome, Status},
};
use messages::worker_control::Command;
use runtime::LeaseSettings;
use serde_json::{Value, json};
use store::{job_events::JobEvent, jobs::JobRow};
use uuid::Uuid;

use super::log::{self, LogLimits, Numbered, append, append_last};
use crate::writer::command::{Action, Change, Changed, Control, Finish};

/// Result of a change, besides the row.
pub(super) struct Applied<'a> {
    pub(super) changed: Changed,
    /// Whether the row must be written.
    pub(super) dirty: bool,
    pub(super) lines: Numbered<'a>,
    pub(super) event: Option<JobEvent>,
    /// Entry of the audit trail.
    pub(super) entry: Option<Entry>,
    /// Command to the worker that holds the job.
    pub(super) control: Option<Command>,
}

/// The inputs of a change, besides the row.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) leases: LeaseTimes,
    /// Time limit of the job in seconds.
    pub(super) timeout_s: Option<i64>,
    pub(super) log: LogLimits,
    pub(super) now: DateTime<Utc>,
    /// Creates ids of leases and events.
    pub(super) new_id: &'a (dyn Fn() -> Uuid + Sync),
}

/// Durations of leases.
#[derive(Clone, Copy)]
pub(crate) struct LeaseTimes {
    pub(crate) agent: TimeDelta,
    /// For a foreign worker that polls for cancellation.
    pub(crate) foreign: TimeDelta,
    /// For a foreign worker that has not polled yet.
    pub(crate) silent: TimeDelta,
}

impl LeaseTimes {
    pub(crate) fn new(settings: &LeaseSettings) -> Self {
        let delta = |duration: Duration| TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        Self { agent: delta(settings.agent), foreign: delta(settings.foreign), silent: delta(settings.silent) }
    }

    fn at_start(&self, worker_id: Option<WorkerId>) -> TimeDelta {
        if worker_id.is_some() { self.agent } else { self.silent }
    }

    fn once_it_asked(&self, worker_id: Option<WorkerId>) -> TimeDelta {
        if worker_id.is_some() { self.agent } else { self.foreign }
    }
}

/// Applies `change` to `row`; a refused change leaves the row unchanged.
pub(super) fn apply<'a>(row: &mut JobRow, change: &'a Change, terms: Terms<'_>) -> Result<Applied<'a>, Refusal> {
    let Terms { leases, now, .. } = terms;
    let had_ended = row.job.status.is_terminal();
    let mut applied = Applied { changed: snapshot(row), dirty: true, lines: None, event: None, entry: None, control: None };
    match change {
        Change::Start { caller } => start(row, caller, terms)?,
        Change::Log { caller, lines } => {
            row.job.authorise(caller)?;
            applied.lines = append(row, lines, terms.log, now);
            record_contact(row, caller, None, now);
        }
        Change::Progress { caller, progress } => {
            row.job.authorise(caller)?;
            if row.job.status.is_terminal() {
                applied.dirty = false;
            } else {
                row.progress = Some(progress.clone());
                record_contact(row, caller, None, now);
            }
        }
        Change::Finish(finish) => finished(row, finish, terms, &mut applied)?,
        Change::Cancellation { caller } => {
            row.job.authorise(caller)?;
            let holder = row.job.lease.as_ref().and_then(|lease| lease.worker_id);
            applied.dirty = record_contact(row, caller, Some(leases.once_it_asked(holder)), now);
        }
        Change::Expire => applied.dirty = row.job.expire(now),
        Change::TimeOut => {
            let overdue = row.job.status == Status::Running && row.deadline_at.is_some_and(|deadline| deadline <= now);
            applied.dirty = overdue && row.job.time_out();
            applied.control = applied.dirty.then_some(Command::Cancel);
        }
        Change::GiveUp => {
            let overdue = row.terms.queue_deadline_at.is_some_and(|deadline| deadline <= now);
            applied.dirty = overdue && row.job.give_up();
        }
        Change::DeadLetter { reason } => applied.dirty = row.job.dead_letter(reason),
        Change::Control(control) => controlled(row, control, terms, &mut applied)?,
    }
    if applied.dirty && row.job.status.is_terminal() {
        row.completed_at.get_or_insert(now);
        restart_clock(row, now);
        if !had_ended && !matches!(change, Change::Finish(_)) {
            applied.lines = log::gap(row, now);
        }
    }
    applied.changed = Changed { late: applied.changed.late, ..snapshot(row) };
    Ok(applied)
}

fn controlled(row: &mut JobRow, control: &Control, terms: Terms<'_>, applied: &mut Applied<'_>) -> Result<(), Refusal> {
    let now = terms.now;
    let before = snapshot(row);
    let (kind, command) = match control.action {
        Action::Cancel if row.job.cancellation_requested && row.job.status.is_held() && !row.job.is_lost(now) => {
            // A repeated request: the control message is sent again.
            applied.dirty = false;
            applied.control = Some(Command::Cancel);
            return Ok(());
        }
        Action::Cancel => {
            row.job.cancel(now)?;
            row.cancellation_requested_at = Some(now);
            ("job.cancel_requested", Command::Cancel)
        }
        Action::Pause => {
            row.job.pause(now)?;
            row.paused_at = Some(now);
            ("job.paused", Command::Pause)
        }
        Action::Resume => {
            row.job.resume(now)?;
            restart_clock(row, now);
            ("job.resumed", Command::Resume)
        }
    };
    applied.control = row.job.status.is_held().then_some(command);
    applied.event = Some(control.event((terms.new_id)().into(), row.job.id, kind, now));
    applied.entry = control.entry(row.job.id, &before, &snapshot(row));
    Ok(())
}

/// Restarts the time-out clock of a paused job.
fn restart_clock(row: &mut JobRow, now: DateTime<Utc>) {
    let Some(since) = row.paused_at.take() else { return };
    let pause = now - since;
    row.paused_ms += pause.num_milliseconds().max(0);
    row.deadline_at = row.deadline_at.map(|deadline| deadline + pause);
}

fn snapshot(row: &JobRow) -> Changed {
    Changed {
        status: row.job.status,
        lease: row.job.lease.clone(),
        log_lines: row.log_lines,
        cancellation_requested: row.job.cancellation_requested,
        late: false,
    }
}

/// Extra time until the hub ends a job whose worker enforces the time limit itself.
const SLACK: TimeDelta = TimeDelta::seconds(60);

/// Starts the job for `caller`.
pub(super) fn start(row: &mut JobRow, caller: &Caller, terms: Terms<'_>) -> Result<(), Refusal> {
    let Terms { leases, timeout_s, now, new_id, .. } = terms;
    let outcome = row.job.start(caller, new_id(), leases.at_start(caller.worker_id), now)?;
    row.last_heartbeat_at = Some(now);
    if outcome == StartOutcome::Started {
        row.started_at = Some(now);
        row.dispatch_started_at.get_or_insert(now);
        row.dispatched_at.get_or_insert(now);
        // An agent enforces the limit itself; a foreign worker does not know it.
        let slack = if caller.worker_id.is_some() { SLACK } else { TimeDelta::zero() };
        row.deadline_at = timeout_s.and_then(TimeDelta::try_seconds).map(|limit| now + limit + slack);
    }
    Ok(())
}

fn finished<'a>(row: &mut JobRow, finish: &'a Finish, terms: Terms<'_>, applied: &mut Applied<'a>) -> Result<(), Refusal> {
    let Terms { log, now, new_id, .. } = terms;
    match row.job.finish(&finish.caller, finish.outcome.clone())? {
        FinishOutcome::Ended => {
            applied.lines = append_last(row, &finish.lines, log, now);
            row.result.clone_from(&finish.result);
            if finish.progress.is_some() {
                row.progress.clone_from(&finish.progress);
            }
            row.last_heartbeat_at = Some(now);
            restart_clock(row, now);
        }
        FinishOutcome::Late => {
            let before = (row.log_lines, row.log_left_out);
            applied.lines = append(row, &finish.lines, log, now);
            applied.dirty = before != (row.log_lines, row.log_left_out);
            applied.changed.late = true;
            let detail = reported(finish);
            let (job_id, kind) = (row.job.id, "job.finished_late".to_owned());
            applied.event = Some(JobEvent { id: new_id().into(), job_id, kind, actor: None, detail, created_at: now });
        }
    }
    Ok(())
}

/// A late report, as the detail of an event.
fn reported(finish: &Finish) -> Value {
    let (status, failure) = match &finish.outcome {
        Outcome::Completed => (Status::Completed, None),
        Outcome::CompletedNoInvoices => (Status::CompletedNoInvoices, None),
        Outcome::Failed(failure) => (Status::Failed, Some(failure)),
        Outcome::Canceled => (Status::Canceled, None),
    };
    json!({
        "status": status,
        "error_class": failure.map(|failure| failure.class),
        "error_message": failure.map(|failure| &failure.message),
        "result": finish.result,
    })
}

/// Records a contact of the worker that holds the job and renews its lease; `false` when none does. The lease is valid for `lease_for` from
/// now, or for as long as it was after the last contact.
fn record_contact(row: &mut JobRow, caller: &Caller, lease_for: Option<TimeDelta>, now: DateTime<Utc>) -> bool {
    let Some(expires_at) = row.job.lease.as_ref().map(|lease| lease.expires_at) else { return false };
    let so_far = || expires_at - row.last_heartbeat_at.unwrap_or(now);
    let renewed = row.job.renew(caller, lease_for.unwrap_or_else(so_far), now).is_ok();
    if renewed {
        row.last_heartbeat_at = Some(now);
    }
    renewed
}
