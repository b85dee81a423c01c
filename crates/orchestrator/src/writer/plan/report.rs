//! Changes of existing jobs: reports of workers, and actions of people and reconcilers.

use api_types::{HeartbeatRequest, HeartbeatResponse, HeldJob};
use auth::Principal;
use domain::{
    ids::{JobId, WorkerId},
    job::{Caller, Refusal, Status},
    policy::{Pause, PauseScope},
};
use messages::worker_control;
use runtime::Failure;
use store::{job_events::JobEvent, jobs::JobRow};

use super::{JobChange, Plan, apply::apply};
use crate::{
    dispatch::ControlMessage,
    roster::check_holder,
    writer::command::{Change, Changed},
};

impl<'a> Plan<'a> {
    pub(super) fn change(&mut self, id: JobId, change: &'a Change, principal: Option<&Principal>) -> Result<Changed, Failure> {
        let circumstances = self.circumstances;
        let is_remembered = circumstances.remembers(id);
        let row = self.rows.get_mut(id).ok_or_else(|| Failure::NotFound(format!("job {id}")))?;
        if let Some(principal) = principal {
            principal.limits.check_queues([&row.queue_name])?;
            if let Some(holder) = must_speak_for(row, change) {
                let worker = self.facts.holders.get(&holder);
                check_holder(principal, holder, worker.map(AsRef::as_ref)).inspect_err(|_| self.is_doubtful |= is_remembered)?;
            }
        }
        if let Change::Start { caller } = change {
            let automations = circumstances.view.automations;
            if row.job.status == Status::Pending
                && caller.worker_id.is_some()
                && let Some((scope, pause)) = automations.pause_of(row.automation_id, &row.queue_name, circumstances.view.now)
            {
                self.release(id);
                return Err(paused_conflict(scope, &pause));
            }
            if is_undispatched(row) {
                let admitted = self.selection.admission.admit(automations, row, circumstances.view.now);
                admitted.map_err(|reason| Failure::conflict("limit_reached", reason))?;
            }
        }
        let (before, had_place) = (row.job.status, has_place(row));
        let terms = circumstances.terms(row);
        let applied = apply(row, change, terms).inspect_err(|_| self.is_doubtful |= is_remembered)?;
        self.is_doubtful |= is_remembered && !applied.dirty;
        self.rows.add_lines(id, applied.lines);
        let actor = |event: &JobEvent| event.actor.clone().or_else(|| principal.map(Principal::name));
        self.rows.add_event(applied.event.map(|event| JobEvent { actor: actor(&event), ..event }));
        self.rows.add_entry(applied.entry);
        self.send_control(id, applied.control);
        if applied.dirty {
            self.changed(id, before, had_place);
        }
        Ok(applied.changed)
    }

    /// Returns a job to the backlog whose message reached a worker during a pause.
    fn release(&mut self, id: JobId) {
        let Some(row) = self.rows.get_mut(id).filter(|row| row.dispatch_started_at.is_some()) else { return };
        row.dispatch_started_at = None;
        row.dispatched_at = None;
        self.selection.admission.free(row);
        self.effects.released.push((id, row.queue_name.clone()));
        self.rows.touch(id);
    }

    /// Sends a control message to the worker that holds the job.
    pub(super) fn send_control(&mut self, job_id: JobId, command: Option<worker_control::Command>) {
        let holder = self.rows.get(job_id).and_then(|row| row.job.lease.as_ref()).and_then(|lease| lease.worker_id);
        let message = |(worker_id, command)| ControlMessage { worker_id, command, job_id: Some(job_id) };
        self.effects.control.extend(holder.zip(command).map(message));
    }

    /// Records a changed row, which had the status `before`, and a slot within limits if `had_place`.
    pub(super) fn changed(&mut self, id: JobId, before: Status, had_place: bool) {
        let Some(row) = self.rows.get(id) else { return };
        self.effects.changed.push(JobChange::of(row, before));
        if had_place && !has_place(row) {
            self.selection.admission.free(row);
        }
        let has_failed = row.job.status == Status::Failed && before != Status::Failed;
        self.rows.touch(id);
        if has_failed {
            self.retry(id);
        }
    }

    pub(super) fn heartbeat(&mut self, request: &HeartbeatRequest, principal: &Principal) -> HeartbeatResponse {
        let mut response = HeartbeatResponse::default();
        for held in &request.jobs {
            match self.renew(request.worker_id, held, principal) {
                Ok((cancellation_requested, status)) => {
                    response.cancel.extend(cancellation_requested.then_some(held.job_id));
                    response.paused.extend((status == Status::Paused).then_some(held.job_id));
                }
                Err(_) => {
                    self.is_doubtful |= self.circumstances.remembers(held.job_id);
                    response.stale.push(held.job_id);
                }
            }
        }
        response
    }

    /// Renews a lease; returns whether the job must be canceled, and its status.
    fn renew(&mut self, worker_id: WorkerId, held: &HeldJob, principal: &Principal) -> Result<(bool, Status), Refusal> {
        let caller = Caller { worker_id: Some(worker_id), lease_token: Some(held.lease_token) };
        let (now, lease) = (self.circumstances.view.now, self.circumstances.leases.agent);
        let row = self.rows.get_mut(held.job_id).filter(|row| principal.limits.check_queues([&row.queue_name]).is_ok());
        let row = row.ok_or(Refusal::StaleLease)?;
        row.job.renew(&caller, lease, now)?;
        row.last_heartbeat_at = Some(now);
        let renewed = (row.job.cancellation_requested, row.job.status);
        self.rows.touch(held.job_id);
        Ok(renewed)
    }
}

/// Whether the job counts against limits: it is held or dispatched.
pub(super) fn has_place(row: &JobRow) -> bool {
    row.job.status.is_held() || (row.job.status == Status::Pending && row.dispatch_started_at.is_some())
}

/// Whether a start would need a slot that is not counted yet.
pub(super) fn is_undispatched(row: &JobRow) -> bool {
    row.job.status == Status::Pending && row.dispatch_started_at.is_none()
}

/// The registered worker for which a report without a lease token must be authorised.
pub(super) fn must_speak_for(row: &JobRow, change: &Change) -> Option<WorkerId> {
    let caller = match change {
        Change::Log { caller, .. } | Change::Progress { caller, .. } | Change::Cancellation { caller } => caller,
        Change::Finish(finish) => &finish.caller,
        Change::Start { .. } | Change::Expire | Change::TimeOut | Change::GiveUp | Change::Control(_) | Change::DeadLetter { .. } => {
            return None;
        }
    };
    if caller.lease_token.is_some() { None } else { row.job.lease.as_ref()?.worker_id }
}

fn paused_conflict(scope: PauseScope, pause: &Pause) -> Failure {
    let what = match scope {
        PauseScope::Queue => "queue",
        PauseScope::Automation => "automation",
    };
    let end = pause.until.map_or_else(String::new, |until| format!(" until {}", until.to_rfc3339()));
    Failure::conflict("paused", format!("the {what} is paused{end}; the job stays pending"))
}
