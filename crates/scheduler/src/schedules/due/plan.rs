//! What a claimed schedule does now: pure.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Fault,
    calendar::Calendar,
    ids::{AutomationId, CalendarId, ScheduleId},
    job::{IdempotencyKey, Origin, Request, Trigger},
    schedule::{
        AutomationState, Decision, PauseSpan, ScheduleState, Skipped, Slot, StateReason, Zones,
        placeholder::{Dates, fill},
    },
};
use runtime::Ask;
use serde_json::{Map, Value};
use store::schedules::{Decided, Fire, FireState, Schedule, Standing};

use super::BySchedule;
use crate::schedules::compile;

/// What is decided by.
pub(super) struct Facts {
    pub(super) now: DateTime<Utc>,
    pub(super) zones: Arc<Zones>,
    pub(super) calendars: HashMap<CalendarId, Arc<Calendar>>,
    pub(super) pauses: BySchedule<Vec<PauseSpan>>,
    pub(super) standings: HashMap<AutomationId, Standing>,
}

/// What a schedule does now, before its jobs are asked for.
pub(super) struct Plan {
    pub(super) schedule: Schedule,
    /// What is written when every run has been answered.
    pub(super) decided: Decided,
    /// The runs, in order.
    pub(super) runs: Vec<(Slot, Result<Ask, Fault>)>,
    /// Slots that do not run, as far as nobody has a job for them.
    pub(super) skipped: Option<SkippedSlots>,
}

/// Slots that do not run, and the schedule that counts them.
pub(super) struct SkippedSlots {
    pub(super) groups: Vec<Skipped>,
    pub(super) schedule: domain::schedule::Schedule,
}

/// The idempotency key of a slot's job.
pub(crate) fn key(id: ScheduleId, slot: DateTime<Utc>) -> String {
    format!("schedule/{id}/{}", slot.format("%Y-%m-%dT%H:%M:%SZ"))
}

pub(super) fn plan(schedule: Schedule, facts: &Facts) -> Plan {
    let automation = facts.standings.get(&schedule.draft.automation_id).copied().unwrap_or_default();
    if !schedule.draft.enabled {
        return idle(schedule, ScheduleState::Disabled, StateReason::SwitchedOff);
    }
    if automation.state == AutomationState::Archived {
        return idle(schedule, ScheduleState::Blocked, StateReason::AutomationArchived);
    }
    match compile(schedule.id, &schedule.draft, &facts.zones, &facts.calendars) {
        Ok(compiled) => active(schedule, compiled, automation, facts),
        Err(faults) => {
            tracing::warn!(schedule.id = %schedule.id, ?faults, "a schedule cannot be used any more");
            idle(schedule, ScheduleState::Blocked, StateReason::Unusable)
        }
    }
}

/// Nothing, until somebody changes something.
fn idle(schedule: Schedule, state: ScheduleState, reason: StateReason) -> Plan {
    let decided = Decided {
        id: schedule.id,
        cursor_at: schedule.cursor_at,
        wake_at: None,
        last_slot_at: schedule.last_slot_at,
        state,
        state_reason: Some(reason),
        pauses_over: None,
        fires: Vec::new(),
    };
    Plan { schedule, decided, runs: Vec::new(), skipped: None }
}

fn active(schedule: Schedule, compiled: domain::schedule::Schedule, automation: Standing, facts: &Facts) -> Plan {
    let now = facts.now;
    let pauses = facts.pauses.get(&schedule.id).map_or(&[][..], Vec::as_slice);
    let Decision { runs, skipped, cursor, wake_at } = compiled.decide(schedule.cursor_at, pauses, now);
    let standing = compiled.standing(cursor, pauses, automation.state, now);
    let over = standing.next.map_or(now, |next| next.at.min(now));
    // A pause of the automation that ends changes why the schedule waits.
    let wake_at = [wake_at, automation.paused_until].into_iter().flatten().min();
    let decided = Decided {
        id: schedule.id,
        cursor_at: cursor,
        wake_at: wake_at.map(|at| if cursor == schedule.cursor_at { at.max(now + TimeDelta::milliseconds(1)) } else { at }),
        last_slot_at: runs.last().map(|slot| slot.at).or(schedule.last_slot_at),
        state: standing.state,
        state_reason: standing.reason,
        pauses_over: (!pauses.is_empty()).then_some(over),
        fires: Vec::new(),
    };
    let mut previous = schedule.last_slot_at.map(|at| compiled.zone.local(at));
    let calendar = compiled.calendar.as_ref().map(|used| &*used.calendar);
    let ask = |slot: Slot| {
        let dates = Dates { due: slot.local, previous: previous.replace(slot.local), calendar };
        (slot, ask(&schedule, slot, &dates))
    };
    let runs = runs.into_iter().map(ask).collect();
    let skipped = (!skipped.is_empty()).then_some(SkippedSlots { groups: skipped, schedule: compiled });
    Plan { schedule, decided, runs, skipped }
}

fn ask(schedule: &Schedule, slot: Slot, dates: &Dates<'_>) -> Result<Ask, Fault> {
    let draft = &schedule.draft;
    let parameters = match fill(&Value::Object(draft.parameters.clone()), dates)? {
        Value::Object(parameters) => parameters,
        _ => Map::new(),
    };
    let request = Request {
        parameters,
        overrides: draft.job.clone(),
        trigger: Trigger::Scheduled,
        version_id: draft.version_id,
        environment: draft.environment.clone(),
        origin: Origin { schedule_id: Some(schedule.id), ..Origin::default() },
    };
    Ok(Ask { automation_id: draft.automation_id, request, key: Some(IdempotencyKey::parse(key(schedule.id, slot.at))?) })
}

/// What is written of skipped slots.
pub(super) fn skip(schedule_id: ScheduleId, group: &Skipped, now: DateTime<Utc>) -> Fire {
    Fire {
        schedule_id,
        slot_at: group.first,
        last_slot_at: group.last,
        slots: group.count.try_into().unwrap_or(u32::MAX),
        more: group.more,
        run_at: None,
        state: FireState::Skipped,
        reason: Some(group.reason.as_str().to_owned()),
        detail: None,
        job_id: None,
        decided_at: now,
    }
}
