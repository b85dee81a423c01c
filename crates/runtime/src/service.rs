//! What a service is, and what it is handed to work with.
//!
//! A service is a library that implements [`Service`]; whoever runs it, alone or with others in one process, only puts it in a list. What all
//! services share is in the [`Context`]: a service opens no database, connects to no broker, reads no clock and spawns no task of its own.
//! Between services there are three ways only: rows that one owns, events on the bus, and the owner's HTTP API.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::web::ServiceConfig;
use auth::{SharedKey, secrets::MasterKeys};
use broker::Broker;
use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use store::{Database, Error};
use utoipa::openapi::OpenApi;

use crate::{
    Access, Clock, Clocks, Events, Reconciler, Reconcilers, RefusedKeys, Replica, Secrets, Section, Settings, Shutdown, Tasks,
    WorkerTokens, WriteHealth, first_start::Keys, reconcile::Terms,
};

/// What is in the way of a start.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// A part of the house that owns resources: their routes, use cases and rows.
pub trait Service: Send + Sync {
    /// Its name on the command line, in `/api/v1/ops/status` and among the replicas: lower case, with dashes.
    fn name(&self) -> &'static str;

    /// The section of the settings that is its alone; it reads it with [`Settings::section`].
    fn section(&self) -> Option<Section> {
        None
    }

    /// Whether it seals or opens secrets: a process that runs it does not start without a master key.
    fn needs_secrets(&self) -> bool {
        false
    }

    /// The description of its routes. Needs nothing that runs.
    fn describe(&self) -> OpenApi;

    /// Starts it: spawns its tasks on the context's, which end after the shutdown, and says what else the process has to run for it.
    fn start<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Running, StartError>>;
}

type Routes = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;
type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A service that was started.
pub struct Running {
    pub(crate) routes: Routes,
    pub(crate) reconcilers: Vec<Arc<dyn Reconciler>>,
    pub(crate) readiness: Option<Readiness>,
    pub(crate) announcement: Option<String>,
}

impl Running {
    /// With these routes: they are configured once for each thread that serves, and tried in their order.
    pub fn new(routes: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> Self {
        Self { routes: Arc::new(routes), reconcilers: Vec::new(), readiness: None, announcement: None }
    }

    /// Runs these, each by one replica at a time.
    #[must_use]
    pub fn with_reconcilers(mut self, reconcilers: Vec<Arc<dyn Reconciler>>) -> Self {
        self.reconcilers = reconcilers;
        self
    }

    /// The process is ready for requests only as long as this says so; why not goes into the answer of `/health/ready`.
    #[must_use]
    pub fn ready_when<F>(mut self, ready: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.readiness = Some(Arc::new(move || Box::pin(ready())));
        self
    }

    /// Shows a line to the person who started the process, and nowhere else: a secret that is generated once may be in it.
    #[must_use]
    pub fn announce(mut self, line: String) -> Self {
        self.announcement = Some(line);
        self
    }
}

/// What a [`Context`] is made of.
pub struct Parts {
    /// The settings.
    pub settings: Settings,
    /// The database, migrated.
    pub database: Database,
    /// How to open it once more.
    pub store: store::Settings,
    /// The broker.
    pub broker: Option<Broker>,
    /// The time.
    pub clocks: Clocks,
    /// Names of the services that this process runs.
    pub services: Vec<String>,
    /// A workers' key that an earlier version generated on this machine: the database takes it in when it has none.
    pub worker_key: Option<SecretString>,
    /// What secrets are sealed with.
    pub master_keys: Option<MasterKeys>,
    /// Everybody may do everything.
    pub insecure_dev: bool,
}

/// What all services of a process share. Clones are the same one.
#[derive(Clone)]
pub struct Context {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The database.
    pub database: Database,
    /// The broker; without one, workers claim their jobs.
    pub broker: Option<Broker>,
    /// The time.
    pub clock: Clock,
    /// This process among the replicas.
    pub replica: Replica,
    /// The bus of events.
    pub events: Events,
    /// Named tasks.
    pub tasks: Tasks,
    /// Reconcilers, to nudge them.
    pub reconcilers: Reconcilers,
    /// When to end.
    pub shutdown: Shutdown,
    /// Whether the database takes writes.
    pub writes: WriteHealth,
    /// Who may call what.
    pub access: Access,
    /// The key that workers share.
    pub worker_key: SecretString,
    /// Secrets in the database.
    pub secrets: Secrets,
    store: store::Settings,
    opened: Arc<Mutex<Vec<Database>>>,
}

impl Context {
    /// Joins the replicas of the database, agrees with them on keys, and starts the bus.
    ///
    /// # Errors
    /// Any [`Error`] of the database.
    pub async fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { settings, database, store, broker, clocks, services, worker_key, master_keys, insecure_dev } = parts;
        let (shutdown, writes) = (Shutdown::default(), WriteHealth::default());
        let clock = clocks.now.clone();
        let secrets = Secrets::new(database.clone(), clock.clone(), master_keys);
        let Keys { tokens, worker_key } = Keys::load(&database, &settings, worker_key).await?;
        let tasks = Tasks::new(clock.clone(), shutdown.clone());
        let replica = Replica::new(database.clone(), clocks, services).await?;
        let terms = Terms {
            database: database.clone(),
            clock: clock.clone(),
            holder: replica.id,
            tick: settings.dispatch.tick,
            lease: settings.lease.agent,
            returns: replica.returns(TimeDelta::from_std(settings.lease.agent / 2).unwrap_or(TimeDelta::MAX)).await?,
            writes: writes.clone(),
            shutdown: shutdown.clone(),
        };
        let access = Access {
            tokens,
            worker_key: SharedKey::new(&worker_key),
            worker_tokens: WorkerTokens::new(database.clone(), clock.clone()),
            refused: RefusedKeys::default(),
            open: insecure_dev,
        };
        let events = Events::start(broker.clone(), replica.id, &tasks, &shutdown);
        let (reconcilers, opened) = (Reconcilers::new(terms), Arc::new(Mutex::new(vec![database.clone()])));
        let settings = Arc::new(settings);
        Ok(Self {
            settings,
            database,
            broker,
            clock,
            replica,
            events,
            tasks,
            reconcilers,
            shutdown,
            writes,
            access,
            worker_key,
            secrets,
            store,
            opened,
        })
    }

    /// The same database over one connection of its own, whose statements find their rows by an index and are prepared once.
    ///
    /// # Errors
    /// As [`Database::connect`].
    pub async fn connect_alone(&self) -> Result<Database, Error> {
        let database = Database::connect(&store::Settings { max_connections: 1, by_index: true, ..self.store.clone() }).await?;
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(database.clone());
        Ok(database)
    }

    /// Ends what was started: waits for the tasks, at most `limit`, then closes the broker and the databases.
    pub(crate) async fn close(self, limit: Duration) {
        self.shutdown.trigger();
        self.tasks.join(limit).await;
        if let Some(broker) = self.broker {
            broker.close().await;
        }
        let opened = std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        for database in opened {
            if let Err(error) = database.close().await {
                tracing::warn!(%error, "a database was not closed");
            }
        }
    }
}
