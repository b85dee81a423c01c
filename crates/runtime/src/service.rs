//! The definition of a service, and its dependencies.
//!
//! A service is a library that implements [`Service`]; a process that runs it, alone or with others, only lists it. Shared dependencies are
//! in the [`Context`]: a service opens no database, connects to no broker, reads no system clock and spawns no unnamed task.
//! Between services there are three ways only: rows that one owns, events on the bus, and the owner's use cases. The context returns these
//! as traits: implemented by the owner in the same process, or by a client of its HTTP API.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::web::ServiceConfig;
use api_types::TimeZones;
use auth::{SharedKey, secrets::MasterKeys};
use broker::Broker;
use chrono::TimeDelta;
use domain::schedule::{UnknownZone, Zone, Zones};
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use store::{Database, Error};
use telemetry::metrics::Metrics;
use utoipa::openapi::OpenApi;

use crate::{
    Access, CalendarCache, Clock, Clocks, Events, Failure, Identities, JobIntake, Reconciler, Reconcilers, RefusedKeys, Replica, Route,
    Secrets, SecretsError, Section, Settings, Shutdown, Tasks, WorkerTokens, WriteHealth, ZonesError, first_start, host::routes,
    peers::Peers, process_metrics, reconcile::Terms,
};

/// Why a service did not start.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// A part of the hub that owns resources: their routes, use cases and rows.
pub trait Service: Send + Sync {
    /// Its name on the command line, in `/api/v1/ops/status` and among the replicas: lower case, with dashes.
    fn name(&self) -> &'static str;

    /// Its own section of the settings, read with [`Settings::section`].
    fn section(&self) -> Option<Section> {
        None
    }

    /// Whether it seals or opens secrets: a process that runs it does not start without a master key.
    fn needs_secrets(&self) -> bool {
        false
    }

    /// Whether requests reach other services through it: a process that runs it counts all requests, another leaves those that a trusted proxy passes
    /// on to the one that does.
    fn is_edge(&self) -> bool {
        false
    }

    /// The API description of its routes; does not need a running service.
    fn describe(&self) -> OpenApi;

    /// Starts it: spawns its tasks in the context's [`Tasks`], and returns what the process must run for it.
    fn start<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Running, StartError>>;
}

type Routes = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;
/// Makes an access token for a program of this process.
pub(crate) type LocalAccess = Arc<dyn Fn() -> BoxFuture<'static, Result<String, Failure>> + Send + Sync>;
type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A started service.
pub struct Running {
    pub(crate) routes: Routes,
    pub(crate) reconcilers: Vec<Arc<dyn Reconciler>>,
    pub(crate) readiness: Option<Readiness>,
    pub(crate) announcements: Vec<String>,
    pub(crate) descriptions: Vec<OpenApi>,
    pub(crate) local_access: Option<LocalAccess>,
    pub(crate) job_intake: Option<Arc<dyn JobIntake>>,
}

impl Running {
    /// With these routes, which are configured once per server thread and matched in order.
    pub fn new(routes: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> Self {
        Self {
            routes: Arc::new(routes),
            reconcilers: Vec::new(),
            readiness: None,
            announcements: Vec::new(),
            descriptions: Vec::new(),
            local_access: None,
            job_intake: None,
        }
    }

    /// Adds reconcilers, each of which one replica runs at a time.
    #[must_use]
    pub fn with_reconcilers(mut self, reconcilers: Vec<Arc<dyn Reconciler>>) -> Self {
        self.reconcilers = reconcilers;
        self
    }

    /// The process is ready only while this returns `Ok`; the error is the answer of `/health/ready`.
    #[must_use]
    pub fn ready_when<F>(mut self, ready: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.readiness = Some(Arc::new(move || Box::pin(ready())));
        self
    }

    /// Makes the access tokens with which programs of this process act for the administrator.
    #[must_use]
    pub fn with_local_access<F>(mut self, token: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, Failure>> + Send + 'static,
    {
        self.local_access = Some(Arc::new(move || Box::pin(token())));
        self
    }

    /// Adds an intake of jobs for the services of this process.
    #[must_use]
    pub fn with_job_intake(mut self, intake: Arc<dyn JobIntake>) -> Self {
        self.job_intake = Some(intake);
        self
    }

    /// Shows a line to the person who started the process, and nowhere else: it may contain a secret that is generated once.
    #[must_use]
    pub fn announce(mut self, line: String) -> Self {
        self.announcements.push(line);
        self
    }

    /// Serves these routes too, which are only known once the settings are.
    #[must_use]
    pub fn with_descriptions(mut self, descriptions: Vec<OpenApi>) -> Self {
        self.descriptions = descriptions;
        self
    }
}

/// A service of the release that other processes run.
#[derive(Clone)]
pub struct Elsewhere {
    /// Its name.
    pub name: &'static str,
    /// The description of its routes.
    pub description: OpenApi,
    /// Base URLs of the processes that run it; at least one.
    pub addresses: Vec<String>,
}

impl Elsewhere {
    /// Its routes.
    #[must_use]
    pub fn routes(&self) -> Vec<Route> {
        routes(&self.description)
    }
}

/// The parts of a [`Context`].
pub struct Parts {
    /// The settings.
    pub settings: Settings,
    /// The database, migrated.
    pub database: Database,
    /// Settings to open another connection to it.
    pub store: store::Settings,
    /// The broker.
    pub broker: Option<Broker>,
    /// The clocks.
    pub clocks: Clocks,
    /// Names of the services that this process runs.
    pub services: Vec<String>,
    /// The services that this process does not run, and that the settings say where to find.
    pub elsewhere: Vec<Elsewhere>,
    /// A worker key that an earlier version generated on this machine; stored in the database if that has none.
    pub worker_key: Option<SecretString>,
    /// What secrets are sealed with.
    pub master_keys: Option<MasterKeys>,
    /// Whether every caller may do everything.
    pub insecure_dev: bool,
}

/// Why a [`Context`] cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The shared worker key cannot be had.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// The folder of time zones cannot be used.
    #[error(transparent)]
    Zones(#[from] ZonesError),
    /// The hub's time zone is none.
    #[error(transparent)]
    Zone(#[from] UnknownZone),
}

/// The shared dependencies of all services in a process. Clones share them.
#[derive(Clone)]
pub struct Context {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The database.
    pub database: Database,
    /// Services that other processes run.
    pub elsewhere: Arc<[Elsewhere]>,
    /// The broker; without one, workers claim their jobs.
    pub broker: Option<Broker>,
    /// The clocks.
    pub clock: Clock,
    /// The time zones.
    pub zones: Arc<Zones>,
    /// The zone of what names none.
    pub zone: Zone,
    /// Calendars, read when they are needed.
    pub calendars: CalendarCache,
    /// This replica.
    pub replica: Replica,
    /// The bus of events.
    pub events: Events,
    /// The metrics of this process.
    pub metrics: Metrics,
    /// Named tasks.
    pub tasks: Tasks,
    /// Reconcilers, to nudge them.
    pub reconcilers: Reconcilers,
    /// Shutdown signal.
    pub shutdown: Shutdown,
    /// Whether the database accepts writes.
    pub writes: WriteHealth,
    /// Authentication of callers.
    pub access: Access,
    /// The shared worker key.
    pub worker_key: SecretString,
    /// Secrets in the database.
    pub secrets: Secrets,
    pub(crate) time_zones: TimeZones,
    pub(crate) peers: Peers,
    store: store::Settings,
    opened: Arc<Mutex<Vec<Database>>>,
}

impl Context {
    /// Reads the time zones, registers the replica in the database, reads or generates the shared keys, and starts the event bus.
    ///
    /// # Errors
    /// Any [`ContextError`].
    pub async fn new(parts: Parts) -> Result<Self, ContextError> {
        let Parts { settings, database, store, broker, clocks, services, elsewhere, worker_key, master_keys, insecure_dev } = parts;
        let zones = settings.time.zones()?;
        let (zone, time_zones) = (zones.get(&settings.time.zone)?, settings.time.describe(&zones));
        let (shutdown, writes) = (Shutdown::default(), WriteHealth::default());
        let clock = clocks.now.clone();
        let secrets = Secrets::new(database.clone(), clock.clone(), master_keys);
        let tasks = Tasks::new(clock.clone(), shutdown.clone());
        let replica = Replica::new(database.clone(), clocks, services.clone()).await?;
        let worker_key = first_start::worker_key((&database, &secrets), &replica, &settings, worker_key).await?;
        let peers = Peers::new(&services, settings.services.clone(), replica.clone());
        let metrics = process_metrics::of_process(&database, broker.as_ref());
        let terms = Terms {
            database: database.clone(),
            clock: clock.clone(),
            holder: replica.id,
            tick: settings.dispatch.tick,
            lease: settings.lease.agent,
            returns: replica.returns(TimeDelta::from_std(settings.lease.agent / 2).unwrap_or(TimeDelta::MAX)).await?,
            writes: writes.clone(),
            shutdown: shutdown.clone(),
            metrics: metrics.clone(),
        };
        // Others know its key before a service of it calls.
        replica.beat().await?;
        let identities = Identities::new(database.clone(), clock.clone(), replica.clone(), settings.auth.token_lifetime);
        let access = Access {
            identities,
            worker_key: SharedKey::new(&worker_key),
            worker_tokens: WorkerTokens::new(database.clone(), clock.clone()),
            refused: RefusedKeys::default(),
            open: insecure_dev,
        };
        let events = Events::start(broker.clone(), replica.id, replica.is_ours(), &tasks, &shutdown);
        let (reconcilers, opened) = (Reconcilers::new(terms), Arc::new(Mutex::new(vec![database.clone()])));
        let (settings, calendars) = (Arc::new(settings), CalendarCache::new(database.clone()));
        Ok(Self {
            settings,
            database,
            zones: Arc::new(zones),
            zone,
            calendars,
            time_zones,
            elsewhere: elsewhere.into(),
            broker,
            clock,
            replica,
            events,
            metrics,
            tasks,
            reconcilers,
            shutdown,
            writes,
            access,
            worker_key,
            secrets,
            peers,
            store,
            opened,
        })
    }

    /// The intake of jobs for the service `caller`: the orchestrator in this process, started or not, else the one at `services.orchestrator`.
    ///
    /// # Errors
    /// A sentence that names the missing setting, when there is neither.
    pub fn job_intake(&self, caller: &'static str) -> Result<Arc<dyn JobIntake>, StartError> {
        self.peers.job_intake(caller)
    }

    /// The same database over a separate connection for statements that find their rows by an index and are prepared once.
    ///
    /// # Errors
    /// As [`Database::connect`].
    pub async fn connect_alone(&self) -> Result<Database, Error> {
        let database = Database::connect(&store::Settings { max_connections: 1, by_index: true, ..self.store.clone() }).await?;
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(database.clone());
        Ok(database)
    }

    /// Stops: waits for the tasks, at most `limit`, then closes the broker and the databases.
    pub(crate) async fn close(self, limit: Duration) {
        self.shutdown.trigger();
        self.tasks.join(limit).await;
        if let Some(broker) = self.broker {
            broker.close().await;
        }
        let opened = std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        for database in opened {
            if let Err(error) = database.close().await {
                tracing::warn!(%error, "a database could not be closed");
            }
        }
    }
}
