//! Asks for the jobs of a schedule's slots, one after the other.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Fault, schedule::Slot};
use runtime::{Ask, Failure, Intake};
use store::{
    jobs::job_find_idempotent_unscoped,
    schedules::{Decided, Fire, FireState, Schedule},
};

use super::{Due, plan::Plan};

/// When what was not answered is asked for again.
const AGAIN: TimeDelta = TimeDelta::seconds(2);
/// The code of a fire whose placeholders cannot be filled, or whose request is refused for its fields.
const INVALID: &str = "invalid";

/// What became of a request.
enum Answer {
    Fire(Fire),
    /// Nobody knows yet; it is asked for again.
    Unanswered,
}

impl Due {
    /// Asks for every run of a plan, in order, and returns what is to be written. If one is not answered, the cursor stays before it.
    pub(super) async fn ask(&self, plan: Plan, until: DateTime<Utc>, deadline: Instant) -> (Schedule, Decided) {
        let Plan { schedule, mut decided, runs, skipped: _ } = plan;
        let mut answered = None;
        for (slot, ask) in runs {
            let answer = match ask {
                Ok(ask) => self.ask_one(&schedule, slot, ask, (until, deadline)).await,
                Err(fault) => Answer::Fire(self.refused(&schedule, slot, INVALID, sentence(&[fault]))),
            };
            match answer {
                Answer::Fire(fire) => {
                    answered = Some(fire.slot_at);
                    decided.fires.push(fire);
                }
                Answer::Unanswered => {
                    decided = unfinished(&schedule, decided, answered, (self.clock)() + AGAIN);
                    break;
                }
            }
        }
        (schedule, decided)
    }

    async fn ask_one(&self, schedule: &Schedule, slot: Slot, ask: Ask, (until, deadline): (DateTime<Utc>, Instant)) -> Answer {
        // Another replica has it by now: a frozen process must not run late what that one skipped.
        if (self.clock)() >= until {
            return Answer::Unanswered;
        }
        let (automation_id, key) = (ask.automation_id, ask.key.clone());
        let Ok(answer) = tokio::time::timeout_at(deadline.into(), self.intake.accept(ask)).await else { return Answer::Unanswered };
        match answer {
            Ok(Intake::Accepted(job) | Intake::Existing(job)) => Answer::Fire(self.created(schedule, slot, job.id)),
            Ok(Intake::Skipped(id)) => {
                let refused = self.refused(schedule, slot, runtime::OVERLAP_SKIPPED, format!("job {id} is pending or running"));
                Answer::Fire(Fire { job_id: Some(id), ..refused })
            }
            Err(Failure::Invalid(faults)) if faults.iter().any(|fault| fault.field == "idempotency_key") => {
                // The slot has a job; what it was asked for has changed since: its slot before, or the schedule.
                let keys = key.map(|key| (automation_id, String::from(key)));
                let found = job_find_idempotent_unscoped(&self.database.begin_lazily(), keys.as_slice()).await;
                match found.map(|found| found.into_iter().next()) {
                    Ok(Some(job)) => Answer::Fire(self.created(schedule, slot, job.job_id)),
                    _ => Answer::Unanswered,
                }
            }
            Err(Failure::Invalid(faults)) => Answer::Fire(self.refused(schedule, slot, INVALID, sentence(&faults))),
            Err(Failure::Conflict { code, detail, .. }) => Answer::Fire(self.refused(schedule, slot, code, detail)),
            Err(failure @ Failure::NotFound(_)) => Answer::Fire(self.refused(schedule, slot, "not_found", failure.to_string())),
            Err(failure) => {
                tracing::warn!(error = %failure, schedule.id = %schedule.id, slot = %slot.at, "a job was not accepted yet; it is asked for again");
                Answer::Unanswered
            }
        }
    }

    pub(super) fn created(&self, schedule: &Schedule, slot: Slot, job_id: domain::ids::JobId) -> Fire {
        Fire { state: FireState::Created, job_id: Some(job_id), ..self.fire(schedule, slot) }
    }

    fn refused(&self, schedule: &Schedule, slot: Slot, code: &str, detail: String) -> Fire {
        Fire { reason: Some(code.to_owned()), detail: Some(detail), ..self.fire(schedule, slot) }
    }

    fn fire(&self, schedule: &Schedule, slot: Slot) -> Fire {
        Fire {
            schedule_id: schedule.id,
            slot_at: slot.at,
            last_slot_at: slot.at,
            slots: 1,
            more: false,
            run_at: Some(slot.run_at),
            state: FireState::Refused,
            reason: None,
            detail: None,
            job_id: None,
            decided_at: (self.clock)(),
        }
    }
}

/// What is written when a run was not answered: what became of the slots before it, the last of which is `answered`, so that a long backlog shrinks
/// with each attempt.
fn unfinished(schedule: &Schedule, mut decided: Decided, answered: Option<DateTime<Utc>>, wake_at: DateTime<Utc>) -> Decided {
    let is_skipped = |fire: &Fire| fire.state == FireState::Skipped;
    // Of slots that are skipped together some may come later: then all are decided again.
    let is_split = |last| decided.fires.iter().any(|fire| is_skipped(fire) && fire.slot_at < last && last < fire.last_slot_at);
    let cursor_at = answered.filter(|last| !is_split(*last)).unwrap_or(schedule.cursor_at);
    decided.fires.retain(|fire| !is_skipped(fire) || fire.last_slot_at < cursor_at);
    let (state, state_reason) = (schedule.state, schedule.state_reason);
    let last_slot_at = decided.fires.iter().filter(|fire| !is_skipped(fire)).map(|fire| fire.slot_at).max().or(schedule.last_slot_at);
    Decided { cursor_at, wake_at: Some(wake_at), last_slot_at, state, state_reason, pauses_over: None, ..decided }
}

fn sentence(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect::<Vec<_>>().join("; ")
}
