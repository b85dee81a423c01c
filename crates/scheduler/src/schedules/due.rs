//! The loop that runs what is due.
//!
//! It sleeps until the next schedule must be looked at (`wake_at`, the one index), claims those, decides, asks for their jobs and writes what it
//! decided. Its cost follows what is due. Every replica has this loop, and none leads.
//!
//! What must hold:
//! - A slot has one job. Its idempotency key is made of schedule and slot, so that a replica which decides again what another one has asked for gets
//!   the same job.
//! - A slot is decided before its schedule's cursor passes it: the cursor is written after every job was answered. Killed before that, the claim
//!   ends and another replica decides again.
//! - What cannot be asked for now (the orchestrator or its database is away) keeps the cursor before it, and after what was asked for; what is refused
//!   moves it, and is kept with its reason.

mod ask;
mod events;
mod plan;
mod skip;
#[cfg(test)]
pub(crate) mod tests;
mod watch;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    ids::{AutomationId, ScheduleId},
    schedule::Zones,
};
use futures_util::{StreamExt as _, stream};
use runtime::{CalendarCache, Clock, Events, JobIntake, Shutdown, TaskError};
use store::{
    Database, Error,
    schedules::{
        Claim, Decided, Schedule, automation_list_standing_unscoped, schedule_claim, schedule_finish, schedule_list_pauses_unscoped,
        schedule_next_wake_unscoped,
    },
};
use tokio::sync::Notify;

use self::{
    plan::{Facts, Plan, plan},
    watch::Watch,
};

/// How long a claim lasts. Much shorter than the usual grace: what a dead replica had claimed is not missed.
pub(crate) const CLAIM: TimeDelta = TimeDelta::seconds(20);
/// How long a replica asks for the jobs of a claim; then it leaves the rest to whoever is next.
const ASK_FOR: Duration = Duration::from_secs(14);
/// Schedules of one claim.
const BATCH: u64 = 500;
/// Requests for jobs at the same time; the orchestrator commits them together.
const AT_ONCE: usize = 128;
/// The shortest sleep, so that a clock that is read a moment early does not spin.
const LEAST_SLEEP: Duration = Duration::from_millis(2);

/// What the loop works with.
#[derive(Clone)]
pub(crate) struct Due {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) zones: Arc<Zones>,
    pub(crate) calendars: CalendarCache,
    pub(crate) intake: Arc<dyn JobIntake>,
    pub(crate) nudge: Arc<Notify>,
    pub(crate) tick: Duration,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Schedules that were looked at.
    pub(crate) schedules: usize,
    /// Slots that became jobs, or were refused.
    pub(crate) fires: usize,
}

impl Due {
    /// Runs until the shutdown. While the database is away it tries again every tick.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), TaskError> {
        let mut watch = Watch::new(&self);
        let mut is_away = false;
        while !shutdown.is_triggered() {
            let sleep = match self.turn(&mut watch).await {
                Ok(sleep) => {
                    is_away = false;
                    sleep
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_away, true) {
                        tracing::warn!(%error, "the scheduler cannot reach its schedules; it tries again");
                    }
                    self.tick
                }
            };
            tokio::select! {
                () = shutdown.wait() => {}
                () = self.nudge.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        Ok(())
    }

    /// Looks for changes elsewhere and runs what is due; returns how long nothing is.
    async fn turn(&self, watch: &mut Watch) -> Result<Duration, Error> {
        watch.look(self).await?;
        let sleep = self.until_due().await?.unwrap_or(self.tick);
        if !sleep.is_zero() {
            return Ok(sleep.min(self.tick).max(LEAST_SLEEP));
        }
        let done = self.run_once().await?;
        Ok(if done.schedules == 0 { LEAST_SLEEP } else { Duration::ZERO })
    }

    /// How long until a schedule must be looked at; zero: one must now. `None`: none must.
    async fn until_due(&self) -> Result<Option<Duration>, Error> {
        let next = schedule_next_wake_unscoped(&self.database).await?;
        Ok(next.map(|next| next.signed_duration_since((self.clock)()).to_std().unwrap_or_default()))
    }

    /// Claims a batch of schedules that must be looked at, asks for the jobs that are due, and writes what became of them.
    pub(crate) async fn run_once(&self) -> Result<Done, Error> {
        let begun = Instant::now();
        let now = (self.clock)();
        let claim = Claim { now, until: now + CLAIM, limit: BATCH };
        let claimed = schedule_claim(&self.database, &claim).await?;
        if claimed.is_empty() {
            return Ok(Done::default());
        }
        let mut plans = self.plan(claimed, now).await?;
        self.record_skipped(&mut plans, now).await?;
        let deadline = begun + ASK_FOR;
        let decided: Vec<(Schedule, Decided)> =
            stream::iter(plans).map(|plan| self.ask(plan, claim.until, deadline)).buffer_unordered(AT_ONCE).collect().await;
        self.finish(claim.until, decided).await
    }

    /// What each of these schedules does now.
    async fn plan(&self, claimed: Vec<Schedule>, now: DateTime<Utc>) -> Result<Vec<Plan>, Error> {
        let ids: Vec<ScheduleId> = claimed.iter().map(|schedule| schedule.id).collect();
        let automations: BTreeSet<AutomationId> = claimed.iter().map(|schedule| schedule.draft.automation_id).collect();
        let automations: Vec<_> = automations.into_iter().collect();
        let used: BTreeSet<_> = claimed.iter().filter_map(|schedule| Some(schedule.draft.calendar?.id)).collect();
        let (pauses, standings, calendars) = tokio::try_join!(
            schedule_list_pauses_unscoped(&self.database, &ids),
            automation_list_standing_unscoped(&self.database, &automations, now),
            self.calendars.get(&used),
        )?;
        let facts = Facts { now, zones: self.zones.clone(), calendars, pauses, standings };
        // A search for the next slot can take long: off the threads that serve requests.
        let planned = tokio::task::spawn_blocking(move || claimed.into_iter().map(|schedule| plan(schedule, &facts)).collect());
        planned.await.map_err(|error| Error::Unavailable(error.to_string()))
    }

    async fn finish(&self, until: DateTime<Utc>, decided: Vec<(Schedule, Decided)>) -> Result<Done, Error> {
        let (schedules, decided): (Vec<_>, Vec<_>) = decided.into_iter().unzip();
        let written: BTreeSet<_> = schedule_finish(&self.database, until, &decided).await?.into_iter().collect();
        let now = (self.clock)();
        for (schedule, decided) in schedules.iter().zip(&decided) {
            self.publish(schedule, decided, written.contains(&schedule.id), now);
        }
        let fires = decided.iter().flat_map(|one| &one.fires).filter(|fire| fire.run_at.is_some()).count();
        Ok(Done { schedules: schedules.len(), fires })
    }
}

/// Values by schedule.
type BySchedule<T> = HashMap<ScheduleId, T>;
