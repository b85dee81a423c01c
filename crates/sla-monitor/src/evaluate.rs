//! The loop that judges what is due.
//!
//! It sleeps until the next rule must be looked at (`wake_at`, the one index), claims those, reads what they are judged by, decides, and writes what it
//! found with the alerts that follow. Its cost follows what is due. Every replica has this loop, and none leads.
//!
//! What must hold:
//! - What is written of a rule is one transaction, fenced by its claim: a replica that was killed, or froze, has written all or nothing, and another
//!   judges again.
//! - What is found depends on the state of the database and the time alone. Events only wake the loop earlier.

mod ahead;
mod baselines;
mod batch;
mod catalog;
mod facts;
mod plan;
pub(crate) mod sweep;
#[cfg(test)]
mod tests;
mod watch;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use domain::schedule::Zones;
use runtime::{CalendarCache, Clock, Shutdown, TaskError};
use store::{
    Database, Error,
    alerts::AlertChange,
    slas::{Claim, Judged, Sla, sla_claim, sla_finish, sla_next_wake_unscoped},
};
use tokio::sync::Notify;

use crate::alerts::Told;

pub(crate) use self::baselines::Baselines;
use self::{batch::Batch, catalog::Catalog, watch::Watch};

/// How long a claim lasts: what a dead replica had claimed is judged after it.
pub(crate) const CLAIM: TimeDelta = TimeDelta::seconds(20);
/// Rules of one claim.
const BATCH: u64 = 500;
/// The shortest sleep, so that a clock that is read a moment early does not spin.
const LEAST_SLEEP: Duration = Duration::from_millis(2);

/// What the loop works with.
#[derive(Clone)]
pub(crate) struct Evaluate {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) zones: Arc<Zones>,
    pub(crate) calendars: CalendarCache,
    pub(crate) nudge: Arc<Notify>,
    /// Tells of what changed.
    pub(crate) told: Told,
    pub(crate) tick: Duration,
    /// What earlier runs say.
    pub(crate) baselines: Baselines,
}

impl Evaluate {
    /// Runs until the shutdown. While the database is away it tries again every tick.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), TaskError> {
        let (mut catalog, mut watch) = (Catalog::default(), Watch::default());
        let mut is_away = false;
        while !shutdown.is_triggered() {
            let sleep = match self.turn(&mut catalog, &mut watch).await {
                Ok(sleep) => {
                    is_away = false;
                    sleep
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_away, true) {
                        tracing::warn!(%error, "the SLA monitor cannot judge its rules; it tries again");
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

    /// Looks for changes elsewhere and judges what is due; returns how long nothing is.
    async fn turn(&self, catalog: &mut Catalog, watch: &mut Watch) -> Result<Duration, Error> {
        watch.look(self, catalog).await?;
        let next = sla_next_wake_unscoped(&self.database).await?;
        let sleep = next.map_or(self.tick, |next| next.signed_duration_since((self.clock)()).to_std().unwrap_or_default());
        if !sleep.is_zero() {
            return Ok(sleep.min(self.tick).max(LEAST_SLEEP));
        }
        let judged = self.run_once(catalog).await?;
        Ok(if judged == 0 { LEAST_SLEEP } else { Duration::ZERO })
    }

    /// Claims a batch of rules that must be looked at, judges them, and writes what was found. Returns how many rules.
    pub(crate) async fn run_once(&self, catalog: &Catalog) -> Result<usize, Error> {
        let now = (self.clock)();
        let claim = Claim { now, until: now + CLAIM, limit: BATCH };
        let claimed = sla_claim(&self.database, &claim).await?;
        if claimed.is_empty() {
            return Ok(0);
        }
        let rules = claimed.len();
        let judged = self.judge(claimed, catalog, now).await?;
        let changes = self.finish(claim.until, &judged, now).await?;
        self.told.tell(&changes);
        Ok(rules)
    }

    async fn judge(&self, claimed: Vec<Sla>, catalog: &Catalog, now: DateTime<Utc>) -> Result<Vec<Judged>, Error> {
        let used: BTreeSet<_> = claimed.iter().filter_map(|sla| sla.rule.calendar_id).collect();
        let calendars = self.calendars.get(&used).await?;
        let batch = Batch::read(&self.database, claimed, (&self.zones, &calendars), catalog, now).await?;
        let facts = batch.facts(&self.database, catalog, &self.baselines).await?;
        // A search for a deadline can take long: off the threads that serve requests.
        let judged = tokio::task::spawn_blocking(move || batch.judge(&facts));
        judged.await.map_err(|error| Error::Unavailable(error.to_string()))
    }

    /// Writes what was found. What the database refuses of one rule does not keep the others from being written.
    async fn finish(&self, until: DateTime<Utc>, judged: &[Judged], now: DateTime<Utc>) -> Result<Vec<AlertChange>, Error> {
        match sla_finish(&self.database, until, judged, now).await {
            Err(error @ (Error::Refused(_) | Error::Corrupt(_))) if judged.len() > 1 => {
                tracing::warn!(%error, "a batch of SLA rules cannot be written; each is tried alone");
                let mut changes = Vec::new();
                for one in judged {
                    match sla_finish(&self.database, until, std::slice::from_ref(one), now).await {
                        Ok(found) => changes.extend(found),
                        Err(error) => tracing::error!(%error, sla.id = %one.id, "what was found about an SLA rule cannot be written"),
                    }
                }
                Ok(changes)
            }
            outcome => outcome,
        }
    }
}
