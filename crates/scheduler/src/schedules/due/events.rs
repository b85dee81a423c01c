//! What others hear of a schedule: that it fired, and that it goes on or does not.

use chrono::{DateTime, SecondsFormat, Utc};
use domain::schedule::{ScheduleState, StateReason};
use runtime::events::Event;
use serde_json::{Map, Value, json};
use store::schedules::{Decided, FireState, Schedule};

use super::Due;

impl Due {
    /// Publishes what became of the slots, and the new state if it was written.
    pub(super) fn publish(&self, schedule: &Schedule, decided: &Decided, is_written: bool, now: DateTime<Utc>) {
        let is_new = (decided.state, decided.state_reason) != (schedule.state, schedule.state_reason);
        if is_written && is_new {
            tracing::info!(schedule.id = %schedule.id, state = decided.state.as_str(), reason = decided.state_reason.map(StateReason::as_str),
                "the state of a schedule changed");
        }
        if !self.events.has_receivers() {
            return;
        }
        for fire in &decided.fires {
            let kind = match fire.state {
                FireState::Created => "schedule.fired",
                FireState::Refused => "schedule.refused",
                FireState::Skipped | FireState::Planned => continue,
            };
            let slot = fire.slot_at.to_rfc3339_opts(SecondsFormat::Secs, true);
            self.publish_one(kind, schedule, json!({"slot_at": slot, "job_id": fire.job_id, "reason": fire.reason}), now);
        }
        if is_written && is_new {
            let data = json!({"state": decided.state.as_str(), "state_reason": decided.state_reason.map(StateReason::as_str)});
            self.publish_one(kind(decided.state, decided.state_reason), schedule, data, now);
        }
    }

    fn publish_one(&self, kind: &'static str, schedule: &Schedule, more: Value, now: DateTime<Utc>) {
        let mut data = Map::from_iter([
            ("schedule_id".to_owned(), Value::from(schedule.id.to_string())),
            ("automation_id".to_owned(), schedule.draft.automation_id.get().into()),
            ("name".to_owned(), schedule.draft.name.clone().into()),
        ]);
        if let Value::Object(more) = more {
            data.extend(more);
        }
        self.events.publish(Event::new(kind, format!("schedules/{}", schedule.id), now, data));
    }
}

fn kind(state: ScheduleState, reason: Option<StateReason>) -> &'static str {
    match (state, reason) {
        (ScheduleState::Active, None) => "schedule.resumed",
        // Its jobs wait.
        (ScheduleState::Active, Some(_)) | (ScheduleState::Blocked, _) => "schedule.blocked",
        (ScheduleState::Paused, _) => "schedule.paused",
        (ScheduleState::Disabled, _) => "schedule.disabled",
        (ScheduleState::Ended, _) => "schedule.ended",
    }
}
