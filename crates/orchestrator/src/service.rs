use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, RwLock},
    time::Duration,
};

use actix_web::web::ServiceConfig;
use broker::Broker;
use chrono::TimeDelta;
use runtime::{Dispatch, LeaseSettings, Shutdown};
use store::{Database, Error};
use uuid::Uuid;

use crate::{
    Clock,
    catalog::Catalog,
    dead_letters,
    events::Events,
    http,
    live::Live,
    writer::{self, Change, Deps, Note, Writer},
};

/// How old a message may get in a queue that the broker says is empty before its job waits again.
const LOST_AFTER: Duration = Duration::from_secs(60);
/// How often that is looked for, in ticks.
const LOST_EVERY: u32 = 30;
/// Lost workers' jobs that are ended in one tick at most.
const EXPIRED_PER_TICK: u64 = 1000;

/// What the orchestrator is made of.
pub struct Parts {
    /// Database, migrated.
    pub database: Database,
    /// The same database over one connection, for the one writer: its statements are prepared once.
    pub writer_database: Database,
    /// Broker, and the queue its dead letters end in.
    pub broker: Option<(Broker, String)>,
    /// When a worker counts as lost.
    pub lease: LeaseSettings,
    /// How jobs are given out.
    pub dispatch: Dispatch,
    /// The time.
    pub clock: Clock,
}

/// The running service. Clones are the same one.
#[derive(Clone)]
pub struct Orchestrator {
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) writer: Writer,
    pub(crate) broker: Option<Arc<Broker>>,
    pub(crate) live: Live,
    pub(crate) lease: LeaseSettings,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
    /// Workers that are known to exist.
    pub(crate) known_workers: Arc<RwLock<HashSet<Uuid>>>,
    sweep_after: TimeDelta,
}

/// What a look for what is due found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Jobs whose worker was lost.
    pub lost_workers: usize,
    /// Jobs whose message was never confirmed and that wait again.
    pub unconfirmed: u64,
}

impl Orchestrator {
    /// Starts the background tasks, which end after `shutdown`.
    ///
    /// # Errors
    /// Any [`Error`] of the database, when the automations cannot be read.
    pub async fn start(parts: Parts, shutdown: &Shutdown) -> Result<Self, Error> {
        let Parts { database, writer_database, broker, lease, dispatch, clock } = parts;
        let (broker, dead_letter_queue) = broker.map(|(broker, queue)| (Arc::new(broker), queue)).unzip();
        let catalog = Arc::new(Catalog::new(database.clone()));
        catalog.refresh().await?;
        let live = Live::new();
        let deps = Deps {
            database: writer_database,
            catalog: catalog.clone(),
            broker: broker.clone(),
            live: live.clone(),
            events: Events::start(broker.clone()),
            leases: Deps::lease_times(&lease),
            window: Deps::window(&dispatch),
            queue_limit: dispatch.queue_limit,
            clock: clock.clone(),
        };
        let writer = writer::start(deps, shutdown.clone());
        let sweep_after = TimeDelta::from_std(dispatch.sweep_after).unwrap_or(TimeDelta::MAX);
        let orchestrator = Self {
            database,
            catalog,
            writer,
            broker,
            live,
            lease,
            clock,
            shutdown: shutdown.clone(),
            known_workers: Arc::default(),
            sweep_after,
        };
        if let (Some(broker), Some(queue)) = (orchestrator.broker.clone(), dead_letter_queue) {
            tokio::spawn(dead_letters::run(orchestrator.clone(), broker.clone(), queue));
            tokio::spawn(orchestrator.clone().watch_broker(broker));
        }
        tokio::spawn(orchestrator.clone().tick(dispatch.tick));
        Ok(orchestrator)
    }

    /// Routes of this service. They need the app data of [`runtime::Access`] and [`runtime::payload_config`].
    pub fn routes(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        http::routes(self.clone())
    }

    /// Ends the jobs of lost workers and takes back what the broker never confirmed. Idempotent; any number of replicas may do it at once.
    ///
    /// # Errors
    /// Any [`Error`] of the database.
    pub async fn recover(&self) -> Result<Recovered, Error> {
        let now = (self.clock)();
        let unconfirmed = store::jobs::job_release_unconfirmed(&self.database, now - self.sweep_after).await?;
        let expired = store::jobs::job_list_expired(&self.database, now, EXPIRED_PER_TICK).await?;
        let ends = expired.iter().map(|id| self.writer.change(*id, Change::Expire));
        let ended = futures_util::future::join_all(ends).await;
        let overdue = store::jobs::job_list_overdue(&self.database, now, EXPIRED_PER_TICK).await?;
        futures_util::future::join_all(overdue.iter().map(|id| self.writer.change(*id, Change::TimeOut))).await;
        let given_up = store::jobs::job_list_queue_overdue(&self.database, now, EXPIRED_PER_TICK).await?;
        futures_util::future::join_all(given_up.iter().map(|id| self.writer.change(*id, Change::GiveUp))).await;
        let lost_workers = ended.into_iter().flatten().filter(|changed| changed.status.is_terminal()).count();
        if lost_workers > 0 || unconfirmed > 0 {
            tracing::warn!(jobs.lost = lost_workers, jobs.unconfirmed = unconfirmed, "recovered jobs");
        }
        Ok(Recovered { lost_workers, unconfirmed })
    }

    async fn tick(self, every: Duration) {
        let mut ticks: u32 = 0;
        self.writer.note(Note::Refresh);
        loop {
            tokio::select! {
                () = self.shutdown.wait() => return,
                () = tokio::time::sleep(every) => {}
            }
            ticks = ticks.wrapping_add(1);
            if let Err(error) = self.recover().await {
                tracing::warn!(%error, "recovery did not get to the database");
            }
            self.writer.note(Note::Refresh);
            if ticks.is_multiple_of(LOST_EVERY)
                && let Err(error) = self.find_lost_messages().await
            {
                tracing::warn!(%error, "lost messages were not looked for");
            }
        }
    }

    /// Lets jobs wait again whose message the broker confirmed and no longer has.
    async fn find_lost_messages(&self) -> Result<(), Error> {
        let Some(broker) = self.broker.as_ref().filter(|broker| broker.is_connected()) else { return Ok(()) };
        let before = (self.clock)() - TimeDelta::from_std(LOST_AFTER).unwrap_or_default();
        let mut by_queue: HashMap<String, Vec<Uuid>> = HashMap::new();
        for (id, queue, since) in store::jobs::job_list_undelivered(&self.database).await? {
            if since < before {
                by_queue.entry(queue).or_default().push(id);
            }
        }
        for (queue, ids) in by_queue {
            let messages = match broker.queue_depth(&queue).await {
                Ok(depth) => depth.messages,
                Err(broker::Error::QueueNotFound { .. }) => 0,
                Err(_) => continue,
            };
            if messages == 0 {
                tracing::warn!(queue.name = queue, jobs = ids.len(), "the broker lost messages, sending them again");
                ids.into_iter().for_each(|id| self.writer.note(Note::Unconfirmed(id, queue.clone())));
            }
        }
        Ok(())
    }

    /// Looks for what waits as soon as the broker is back.
    async fn watch_broker(self, broker: Arc<Broker>) {
        let mut connected = broker.watch_connected();
        loop {
            tokio::select! {
                () = self.shutdown.wait() => return,
                changed = connected.changed() => if changed.is_err() { return },
            }
            if *connected.borrow_and_update() {
                tracing::info!("broker connected");
                let queues = store::jobs::job_queues_waiting(&self.database).await.unwrap_or_default();
                self.writer.note(Note::Waiting(queues));
            } else {
                tracing::warn!("broker out of reach; jobs are accepted and wait");
            }
        }
    }
}
