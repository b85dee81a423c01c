//! What changes elsewhere and matters to schedules: automations, the zones' data, and a clock that was wrong.

use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::ScheduleId;
use store::{
    Error,
    changes::{Subject, change_count},
    schedules::{schedule_any_ahead_unscoped, schedule_wake_changed, schedule_wake_page, scheduler_state, scheduler_state_put},
};

use super::Due;

/// Under this name the schedulers keep the last change of an automation whose schedules were woken.
const AUTOMATIONS: &str = "automations";
/// And under this one the zones that every schedule was looked at with.
const ZONES: &str = "zones";
/// Schedules that a sweep wakes at once: few, so that what is due does not wait for them.
const PAGE: u64 = 500;
/// A clock that goes back by more was wrong before.
const STEP: TimeDelta = TimeDelta::seconds(60);
/// A cursor that is further ahead was set by a clock that was wrong: [`domain::schedule::Schedule::decide`] has the same bound.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// What was seen so far.
pub(super) struct Watch {
    zones: String,
    automations: Option<i64>,
    /// When it looked last.
    last: Option<DateTime<Utc>>,
    sweep: Option<Sweep>,
}

/// A look at every schedule, page by page.
struct Sweep {
    after: Option<ScheduleId>,
}

impl Watch {
    pub(super) fn new(due: &Due) -> Self {
        Self { zones: due.zones.version().to_owned(), automations: None, last: None, sweep: None }
    }

    /// Looks for changes and wakes the schedules that they matter to.
    pub(super) async fn look(&mut self, due: &Due) -> Result<(), Error> {
        let now = (due.clock)();
        let must_sweep = match self.last {
            Some(last) => last - now > STEP,
            None => self.is_new_here(due, now).await?,
        };
        self.last = Some(now);
        if must_sweep {
            self.begin();
        }
        self.follow_automations(due).await?;
        if let Some(Sweep { after }) = self.sweep.take() {
            match schedule_wake_page(&due.database, after, PAGE).await? {
                after @ Some(_) => self.sweep = Some(Sweep { after }),
                None => scheduler_state_put(&due.database, ZONES, &self.zones).await?,
            }
        }
        Ok(())
    }

    fn begin(&mut self) {
        tracing::info!(zones.version = self.zones, "the zones are others, or the clock was wrong: every schedule is looked at");
        self.sweep = Some(Sweep { after: None });
    }

    async fn is_new_here(&self, due: &Due, now: DateTime<Utc>) -> Result<bool, Error> {
        let known = scheduler_state(&due.database, ZONES).await?;
        Ok(known.as_deref() != Some(self.zones.as_str()) || schedule_any_ahead_unscoped(&due.database, now + AHEAD).await?)
    }

    async fn follow_automations(&mut self, due: &Due) -> Result<(), Error> {
        let seen = match self.automations {
            Some(seen) => seen,
            None => scheduler_state(&due.database, AUTOMATIONS).await?.and_then(|seen| seen.parse().ok()).unwrap_or_default(),
        };
        let count = change_count(&due.database, Subject::Automations).await?;
        if count != seen {
            schedule_wake_changed(&due.database, seen.min(count)).await?;
            scheduler_state_put(&due.database, AUTOMATIONS, &count.to_string()).await?;
        }
        self.automations = Some(count);
        Ok(())
    }
}
