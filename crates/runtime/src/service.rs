//! What a service is handed to work with.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use broker::Broker;
use chrono::TimeDelta;
use store::{Database, Error};

use crate::{Clock, Clocks, Events, Reconcilers, RefusedKeys, Replica, Settings, Shutdown, Tasks, WriteHealth, reconcile::Terms};

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
    /// Requests of workers that were refused.
    pub refused: RefusedKeys,
    store: store::Settings,
    opened: Arc<Mutex<Vec<Database>>>,
}

impl Context {
    /// Joins the replicas of the database, and starts the bus.
    ///
    /// # Errors
    /// Any [`Error`] of the database.
    pub async fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { settings, database, store, broker, clocks, services } = parts;
        let (shutdown, writes) = (Shutdown::default(), WriteHealth::default());
        let clock = clocks.now.clone();
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
        let events = Events::start(broker.clone(), replica.id, &tasks, &shutdown);
        let (reconcilers, refused, opened) =
            (Reconcilers::new(terms), RefusedKeys::default(), Arc::new(Mutex::new(vec![database.clone()])));
        let settings = Arc::new(settings);
        Ok(Self { settings, database, broker, clock, replica, events, tasks, reconcilers, shutdown, writes, refused, store, opened })
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

    /// Says from now on that this replica lives.
    pub fn start_replica(&self) {
        self.replica.start(&self.tasks, &self.writes, self.settings.dispatch.tick, &self.shutdown);
    }

    /// Ends what was started: waits for the tasks, at most `limit`, then closes the broker and the databases. To be called after the shutdown.
    pub async fn close(self, limit: Duration) {
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
