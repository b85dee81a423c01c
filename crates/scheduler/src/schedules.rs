//! Schedules: what is due, and the jobs that it becomes.
//!
//! [`compile`] makes of what people set a schedule that can be asked. [`due`] is the loop that claims what is due, decides by
//! [`domain::schedule::Schedule::decide`], and asks for the jobs. [`Schedules`] is what handlers call.

mod compile;
pub(crate) mod due;

use std::sync::Arc;

use domain::schedule::{Zone, Zones};
use runtime::{Clock, Events, JobIntake};
use store::Database;
use tokio::sync::Notify;

pub use self::compile::compile;
use crate::calendars::CalendarCache;

/// The use cases of schedules.
pub(crate) struct Schedules {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) zones: Arc<Zones>,
    /// The zone of schedules that name none.
    pub(crate) zone: Zone,
    pub(crate) calendars: CalendarCache,
    pub(crate) intake: Arc<dyn JobIntake>,
    /// Wakes the loop of this process after a change; others find out within their tick.
    pub(crate) nudge: Arc<Notify>,
}
