//! This process among the replicas of its database: identity, heartbeat, and which others are alive.

use domain::ids::ReplicaId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use auth::{Claims, Kind, SigningKey, VerifyingKey};
use chrono::{DateTime, TimeDelta, Utc};
use store::{
    Database, Error,
    reconcilers::{replica_beat, replica_list},
};
use uuid::Uuid;

use crate::{Clocks, Shutdown, Tasks, WriteHealth, events::IsOurs};

/// Time between heartbeats.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// A replica without a heartbeat for this long is dead.
const ALIVE_FOR: TimeDelta = TimeDelta::seconds(16);
/// A dead replica is deleted after this.
const KNOWN_FOR: TimeDelta = TimeDelta::hours(1);
/// What the ids of the keys begin with that sign the tokens of services; the replica's id follows.
pub(crate) const SERVICE_KEY_PREFIX: &str = "service:";
/// How long a service's token lasts.
const SERVICE_TOKEN_LIFETIME: Duration = Duration::from_secs(60);
/// The database is not asked for an unknown replica more often.
const ASK_EVERY: Duration = Duration::from_millis(500);

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
    /// Signs the tokens of this process's services. It is nowhere else, and ends with the process.
    key: Arc<SigningKey>,
    peers: Arc<Mutex<Peers>>,
    /// When the database was last asked for one that was not known; held while it is.
    asked_at: Arc<tokio::sync::Mutex<Option<Instant>>>,
}

/// The replicas whose services may call.
type Peers = HashMap<ReplicaId, Peer>;

/// A replica whose services may call.
#[derive(Clone)]
pub(crate) struct Peer {
    key: VerifyingKey,
    services: Arc<[String]>,
    last_seen_at: DateTime<Utc>,
}

impl Peer {
    /// Whether it runs this service.
    pub(crate) fn runs(&self, service: &str) -> bool {
        self.services.iter().any(|known| known == service)
    }

    /// What a token says that this replica made for one of its services.
    pub(crate) fn check(&self, token: &str, now: DateTime<Utc>) -> Option<Claims> {
        let claims = self.key.check(token, now.timestamp()).ok()?;
        let is_short = claims.exp.saturating_sub(claims.iat) <= SERVICE_TOKEN_LIFETIME.as_secs().cast_signed();
        (claims.kind == Kind::Service && is_short && self.runs(&claims.sub)).then_some(claims)
    }
}

impl Replica {
    /// This process, which runs `services`. Its clock is compared with the database's at once.
    ///
    /// # Errors
    /// Any [`Error`] of the database.
    pub async fn new(database: Database, clocks: Clocks, services: Vec<String>) -> Result<Self, Error> {
        clocks.compare(&database).await?;
        let id = ReplicaId::from(Uuid::now_v7());
        let key = SigningKey::new(&format!("{SERVICE_KEY_PREFIX}{id}"), &*SigningKey::generate());
        let key = Arc::new(key.map_err(|error| Error::Corrupt(error.to_string()))?);
        let started_at = (clocks.now)();
        let (peers, asked_at) = (Arc::default(), Arc::default());
        Ok(Self { id, started_at, started: Instant::now(), services, database, clocks, key, peers, asked_at })
    }

    /// A token with which a service of this process calls others. It is good for a minute, as long as this replica lives.
    ///
    /// # Errors
    /// [`auth::Error::Token`] when it cannot be signed.
    pub fn service_token(&self, service: &str) -> Result<String, auth::Error> {
        self.key.sign(&Claims::service(service, (self.clocks.now)().timestamp(), SERVICE_TOKEN_LIFETIME))
    }

    /// The replica with this id, when it is alive and its services may call.
    pub(crate) async fn peer(&self, id: ReplicaId, now: DateTime<Utc>) -> Result<Option<Peer>, Error> {
        let alive = |peers: &Peers| peers.get(&id).filter(|peer| id == self.id || now - peer.last_seen_at < ALIVE_FOR).cloned();
        if let Some(found) = alive(&self.peers()) {
            return Ok(Some(found));
        }
        let arrived = Instant::now();
        let mut asked_at = self.asked_at.lock().await;
        if asked_at.is_none_or(|at| at < arrived) {
            // Made-up ids cost their senders time, and the database little.
            if let Some(rest) = asked_at.and_then(|at| ASK_EVERY.checked_sub(at.elapsed())) {
                tokio::time::sleep(rest).await;
            }
            *asked_at = Some(Instant::now());
            self.learn_peers(self.alive().await?);
        }
        Ok(alive(&self.peers()))
    }

    fn learn_peers(&self, replicas: Vec<store::reconcilers::Replica>) {
        let peer = |replica: store::reconcilers::Replica| {
            let key = VerifyingKey::new(&replica.id.to_string(), &replica.public_key?).ok()?;
            Some((replica.id, Peer { key, services: replica.services?.into(), last_seen_at: replica.last_seen_at }))
        };
        *self.peers() = replicas.into_iter().filter_map(peer).collect();
    }

    fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a replica is one of this database, for the bus: each registers before it publishes. It may have been cut off since.
    pub(crate) fn is_ours(&self) -> IsOurs {
        let this = self.clone();
        Arc::new(move |id| {
            let this = this.clone();
            Box::pin(async move {
                if this.peers().contains_key(&id) {
                    return Ok(true);
                }
                Ok(replica_list(&this.database, DateTime::UNIX_EPOCH).await?.iter().any(|replica| replica.id == id))
            })
        })
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

    /// Whether a replica of another version lives.
    pub(crate) async fn lives_beside_other_versions(&self) -> Result<bool, Error> {
        Ok(self.alive().await?.iter().any(|other| other.version != env!("CARGO_PKG_VERSION")))
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

    /// Says that it lives.
    pub(crate) async fn beat(&self) -> Result<(), Error> {
        let now = (self.clocks.now)();
        let replica = store::reconcilers::Replica {
            id: self.id,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            last_seen_at: now,
            services: Some(self.services.clone()),
            public_key: Some(self.key.public().to_vec()),
        };
        replica_beat(&self.database, &replica, now - KNOWN_FOR).await?;
        if !self.database.is_sqlite() {
            let alive = self.alive().await?;
            self.clocks.steady.set_beside_others(alive.iter().any(|replica| replica.id != self.id));
            self.learn_peers(alive);
        }
        Ok(())
    }
}
