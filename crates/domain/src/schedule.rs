//! When jobs are due: expressions, time zones, calendars, windows, and what happens to fires that were missed.
//!
//! A *slot* is a time at which a schedule is due. It is a whole second of UTC, and with the schedule it identifies the run: two replicas, or
//! one that starts again, mean the same run when they mean the same slot. Slots are counted from slots, never from the clock.
//!
//! - [`Schedule::next_slots`] and [`Schedule::slots_between`] say when it is due.
//! - [`Schedule::decide`] says which slots run now and which are skipped, whatever the clock did meanwhile.
//! - [`Schedule::standing`] says whether it is going to fire, and why not.
//! - [`input`] reads what people write, [`plan`] says what an import changes.
//! - [`Schedule::faults`] says what is wrong with it, [`words`] what it means, [`placeholder`] what its parameters become.
//!
//! ```
//! use domain::schedule::{Cron, Zones};
//!
//! let cron = Cron::parse("30 7 * * 1-5")?;
//! let zone = Zones::bundled().get("America/Sao_Paulo")?;
//! let next = cron.next(&zone, "2026-11-27T12:00:00Z".parse()?);
//! assert_eq!(next, Some("2026-11-30T10:30:00Z".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cron;
mod decide;
mod faults;
pub mod input;
mod jitter;
mod line;
pub mod placeholder;
pub mod plan;
mod slots;
mod standing;
mod window;
pub mod words;
mod zone;

use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use self::{
    cron::{Cron, CronError, CronField, CronProblem, MAX_CRON},
    decide::{Decision, FireState, MAX_DUE, PauseSpan, SECOND, SkipReason, Skipped},
    faults::{MAX_GRACE_S, MAX_INTERVAL_S, MAX_JITTER_S},
    slots::{Slot, Slots},
    standing::{AutomationState, ScheduleState, Standing, StateReason},
    window::Window,
    zone::{UnknownZone, UnreadableZone, Zone, Zones},
};
use crate::{
    calendar::{Calendar, DayRule, OnBlackout},
    ids::ScheduleId,
    policy::Overrides,
    wire::wire_names,
};

wire_names! {
    /// What happens to the slots of a time in which nothing could run: the scheduler was down, the clock jumped, or the schedule was paused.
    pub enum MisfirePolicy as "MisfirePolicy" {
        /// None runs.
        Skip = "skip",
        /// The last one runs, unless a later slot is due anyway.
        Last = "last",
        /// All run, in order, up to a limit.
        All = "all",
    }
    default Skip;
}

/// When a schedule is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// By an expression, on the clock of the schedule's zone.
    Cron(Cron),
    /// Every so many seconds, counted from an instant. Clock changes do not matter.
    Interval {
        /// Seconds from slot to slot.
        seconds: i64,
        /// The first slot.
        anchor: DateTime<Utc>,
    },
    /// Once.
    Once(DateTime<Utc>),
}

/// A schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// When it is due.
    pub spec: Spec,
    /// Whose clock is meant.
    pub zone: Zone,
    /// The calendar that it obeys.
    pub calendar: Option<CalendarUse>,
    /// The hours in which it fires.
    pub window: Option<Window>,
    /// Each run starts up to so many seconds after its slot.
    pub jitter_s: i64,
    /// No slot before this instant.
    pub start_at: Option<DateTime<Utc>>,
    /// No slot at this instant or later.
    pub end_at: Option<DateTime<Utc>>,
    /// Whether it fires at all.
    pub enabled: bool,
    /// What happens to missed slots.
    pub misfire: Misfire,
    /// Settings of its jobs.
    pub job: Overrides,
}

/// A calendar, and what it means to a schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct CalendarUse {
    /// The calendar.
    pub calendar: Arc<Calendar>,
    /// What its days mean.
    pub rule: DayRule,
    /// What its blackouts do.
    pub on_blackout: OnBlackout,
}

/// What happens to missed slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfire {
    /// What happens to them.
    pub policy: MisfirePolicy,
    /// How many run under [`MisfirePolicy::All`]: the last ones.
    pub limit: u32,
    /// A slot that is at most so many seconds late is not missed, and runs.
    pub grace_s: i64,
}

impl Default for Misfire {
    fn default() -> Self {
        Self { policy: MisfirePolicy::default(), limit: 100, grace_s: 60 }
    }
}

impl Schedule {
    /// A schedule with nothing but its times.
    #[must_use]
    pub fn new(id: ScheduleId, spec: Spec, zone: Zone) -> Self {
        Self {
            id,
            spec,
            zone,
            calendar: None,
            window: None,
            jitter_s: 0,
            start_at: None,
            end_at: None,
            enabled: true,
            misfire: Misfire::default(),
            job: Overrides::default(),
        }
    }
}

#[cfg(test)]
mod tests;
