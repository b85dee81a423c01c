//! This process among the replicas of its database: identity, heartbeat, and which others are alive.

use domain::ids::ReplicaId;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use store::{
    Database, Error,
    reconcilers::{replica_beat, replica_list},
};
use uuid::Uuid;

use crate::{Clocks, Shutdown, Tasks, WriteHealth};

/// Time between heartbeats.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// A replica without a heartbeat for this long is dead.
const ALIVE_FOR: TimeDelta = TimeDelta::seconds(16);
/// A dead replica is deleted after this.
const KNOWN_FOR: TimeDelta = TimeDelta::hours(1);

/// This process. Clones share it.
#[derive(Clone)]
pub struct Replica {
    /// Its id, new at each start.
    pub id: ReplicaId,
    /// When it started.
    pub started_at: DateTime<Utc>,
    started: Instant,
    services: Vec<String>,
    database: Database,
    clocks: Clocks,
}

impl Replica {
    /// This process, which runs `services`. Its clock is compared with the database's at once.
    ///
    /// # Errors
    /// Any [`Error`] of the database.
    pub async fn new(database: Database, clocks: Clocks, services: Vec<String>) -> Result<Self, Error> {
        clocks.compare(&database).await?;
        Ok(Self { id: Uuid::now_v7().into(), started_at: (clocks.now)(), started: Instant::now(), services, database, clocks })
    }

    /// How long it has been running.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Replicas that are alive.
    ///
    /// # Errors
    /// Any [`Error`] of the database.
    pub async fn alive(&self) -> Result<Vec<store::reconcilers::Replica>, Error> {
        replica_list(&self.database, (self.clocks.now)() - ALIVE_FOR).await
    }

    /// Whether there were replicas with one of its services, but none within `patience`: workers could then not send heartbeats to anyone.
    ///
    /// # Errors
    /// Any [`Error`] of the database.
    pub async fn returns(&self, patience: TimeDelta) -> Result<bool, Error> {
        let now = (self.clocks.now)();
        let known = replica_list(&self.database, DateTime::UNIX_EPOCH).await?;
        let latest = |replicas: &mut dyn Iterator<Item = &store::reconcilers::Replica>| replicas.map(|replica| replica.last_seen_at).max();
        let last = latest(&mut known.iter());
        let beside_others = last.is_some_and(|last| (now - last).abs() < ALIVE_FOR) && !self.database.is_sqlite();
        self.clocks.steady.set_beside_others(beside_others);
        let is_peer = |replica: &&store::reconcilers::Replica| {
            replica.services.as_ref().is_none_or(|services| services.iter().any(|service| self.services.contains(service)))
        };
        Ok(latest(&mut known.iter().filter(is_peer)).is_some_and(|last| (now - last).abs() > patience))
    }

    /// Starts the heartbeat, and the comparison of clocks every `tick`.
    pub fn start(&self, tasks: &Tasks, writes: &WriteHealth, tick: Duration, shutdown: &Shutdown) {
        let (this, health, stop) = (self.clone(), writes.clone(), shutdown.clone());
        tasks.spawn("replica.heartbeat", move || this.clone().keep_beating(health.clone(), tick, stop.clone()));
        if self.database.is_sqlite() {
            return;
        }
        let (this, stop) = (self.clone(), shutdown.clone());
        tasks.spawn("replica.clock", move || this.clone().keep_comparing(tick, stop.clone()));
    }

    async fn keep_beating(self, writes: WriteHealth, tick: Duration, shutdown: Shutdown) -> Result<(), crate::TaskError> {
        loop {
            let again = match self.beat().await {
                Ok(()) => {
                    writes.worked();
                    BEAT_EVERY
                }
                Err(error) => {
                    writes.failed(&error);
                    BEAT_EVERY.min(tick)
                }
            };
            tokio::select! {
                () = shutdown.wait() => return Ok(()),
                () = tokio::time::sleep(again) => {}
            }
        }
    }

    async fn keep_comparing(self, tick: Duration, shutdown: Shutdown) -> Result<(), crate::TaskError> {
        loop {
            tokio::select! {
                () = shutdown.wait() => return Ok(()),
                () = tokio::time::sleep(tick) => {}
            }
            // An unreachable database is logged elsewhere; the clock keeps its course.
            if let Err(error) = self.clocks.compare(&self.database).await {
                tracing::debug!(%error, "the database's clock could not be read");
            }
        }
    }

    async fn beat(&self) -> Result<(), Error> {
        let now = (self.clocks.now)();
        let replica = store::reconcilers::Replica {
            id: self.id,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            last_seen_at: now,
            services: Some(self.services.clone()),
        };
        replica_beat(&self.database, &replica, now - KNOWN_FOR).await?;
        if !self.database.is_sqlite() {
            let others = self.alive().await?.into_iter().any(|replica| replica.id != self.id);
            self.clocks.steady.set_beside_others(others);
        }
        Ok(())
    }
}
