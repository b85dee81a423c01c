use chrono::{DateTime, Utc};

use super::{PauseSpan, Schedule, Slot, Spec};
use crate::wire::wire_names;

wire_names! {
    /// Whether a schedule is going to fire.
    pub enum ScheduleState as "ScheduleState" {
        /// It fires at its next slot.
        Active = "active",
        /// It does not fire until its pause ends.
        Paused = "paused",
        /// It is switched off.
        Disabled = "disabled",
        /// It has slots, but its automation cannot run.
        Blocked = "blocked",
        /// It never fires again.
        Ended = "ended",
    }
}

wire_names! {
    /// Why a schedule is in its state.
    pub enum StateReason as "StateReason" {
        /// Somebody switched it off.
        SwitchedOff = "switched_off",
        /// It is paused until a time.
        PausedUntil = "paused_until",
        /// It is paused until somebody resumes it.
        PausedOpen = "paused_open",
        /// Its automation is archived.
        AutomationArchived = "automation_archived",
        /// Its expression, zone or calendar cannot be used any more.
        Unusable = "unusable",
        /// Its automation is paused: jobs are created and stay pending.
        AutomationPaused = "automation_paused",
        /// Its one time is over.
        OneTimePassed = "one_time_passed",
        /// No slot is left before its end.
        EndPassed = "end_passed",
        /// Its calendar or window takes away every slot of the next five years.
        Excluded = "excluded",
        /// Its expression has no date left.
        NoDate = "no_date",
    }
}

/// What a schedule needs to know of its automation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutomationState {
    /// Its jobs run.
    #[default]
    Ready,
    /// Its jobs stay pending.
    Paused,
    /// It takes no jobs.
    Archived,
}

/// Whether a schedule is going to fire, why not, and when next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is going to fire.
    pub state: ScheduleState,
    /// Why.
    pub reason: Option<StateReason>,
    /// The next slot that is not decided, also of a schedule that does not fire.
    pub next: Option<Slot>,
}

impl Schedule {
    /// Whether it is going to fire, from its last decided slot on.
    #[must_use]
    pub fn standing(&self, cursor: DateTime<Utc>, pauses: &[PauseSpan], automation: AutomationState, now: DateTime<Utc>) -> Standing {
        use ScheduleState as State;
        use StateReason as Reason;
        let next = self.next_slot(cursor);
        let pause = pauses.iter().find(|pause| pause.from <= now && pause.until.is_none_or(|until| now < until));
        let (state, reason) = match (next, pause, automation) {
            _ if !self.enabled => (State::Disabled, Some(Reason::SwitchedOff)),
            (None, ..) => (State::Ended, Some(self.ended())),
            (_, _, AutomationState::Archived) => (State::Blocked, Some(Reason::AutomationArchived)),
            (_, Some(PauseSpan { until: Some(_), .. }), _) => (State::Paused, Some(Reason::PausedUntil)),
            (_, Some(_), _) => (State::Paused, Some(Reason::PausedOpen)),
            (_, None, AutomationState::Paused) => (State::Active, Some(Reason::AutomationPaused)),
            (_, None, AutomationState::Ready) => (State::Active, None),
        };
        Standing { state, reason, next }
    }

    fn ended(&self) -> StateReason {
        match (&self.spec, self.end_at) {
            (Spec::Once(_), _) => StateReason::OneTimePassed,
            (_, Some(_)) => StateReason::EndPassed,
            _ if self.calendar.is_some() || self.window.is_some() => StateReason::Excluded,
            _ => StateReason::NoDate,
        }
    }
}
