use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::web::ServiceConfig;
use broker::Broker;
use chrono::{DateTime, TimeDelta, Utc};
use domain::automation::QueueProfile;
use runtime::{Dispatch, LeaseSettings, Limits, RefusedKeys, Retention, Shutdown, SteadyClock, WriteHealth};
use store::{Database, Error};
use uuid::Uuid;

use crate::{
    Clock,
    automations::Catalog,
    dead_letters,
    dispatch::{BrokerQueues, ControlMessages},
    events::Events,
    jobs::{Followed, Live},
    notices::{self, Notice, Notices},
    ops::{BEAT_EVERY, Snapshot},
    reconcilers::{self, Reconciler},
    routes,
    workers::{CachedWorkers, Presence, Roster, WorkerChanges},
    writer::{self, Deps, Writer},
};

/// Jobs with refused keys that are noted in a tick.
const MOST_REFUSED: usize = 100;
/// How often the log is told why jobs wait, in ticks.
const TELL_EVERY: u32 = 10;

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
    /// What one job may take.
    pub limits: Limits,
    /// How long what has ended is kept.
    pub retention: Retention,
    /// Where to say whether the database takes writes.
    pub writes: WriteHealth,
    /// Whom the worker routes refuse.
    pub refused: RefusedKeys,
    /// A reader of a stream that takes longer for what was sent is disconnected.
    pub stream_patience: Duration,
    /// The time.
    pub clock: Clock,
    /// The clock that has to know of other hubs.
    pub steady_clock: SteadyClock,
}

/// The running service. Clones are the same one.
#[derive(Clone)]
pub struct Orchestrator {
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) writer: Writer,
    pub(crate) notices: Notices,
    pub(crate) broker: Option<Arc<Broker>>,
    pub(crate) broker_queues: BrokerQueues,
    pub(crate) followed: Followed,
    pub(crate) stream_patience: Duration,
    pub(crate) lease: LeaseSettings,
    pub(crate) writes: WriteHealth,
    pub(crate) refused: RefusedKeys,
    pub(crate) clock: Clock,
    pub(crate) steady_clock: SteadyClock,
    pub(crate) shutdown: Shutdown,
    pub(crate) roster: Arc<Roster>,
    pub(crate) worker_changes: Arc<WorkerChanges>,
    pub(crate) presence: Presence,
    pub(crate) control: ControlMessages,
    pub(crate) retention: Retention,
    pub(crate) sweep_after: TimeDelta,
    pub(crate) consumer_timeout: TimeDelta,
    pub(crate) queue_profile: Option<QueueProfile>,
    pub(crate) tick: Duration,
    /// This process among the replicas; new at each start.
    pub(crate) replica_id: Uuid,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) started: Instant,
    pub(crate) snapshot: Snapshot,
}

impl Orchestrator {
    /// Starts the background tasks, which end after `shutdown`.
    ///
    /// # Errors
    /// Any [`Error`] of the database, when the automations cannot be read.
    pub async fn start(parts: Parts, shutdown: &Shutdown) -> Result<Self, Error> {
        let Parts {
            database,
            writer_database,
            broker,
            lease,
            dispatch,
            limits,
            retention,
            writes,
            refused,
            stream_patience,
            clock,
            steady_clock,
        } = parts;
        let (broker, dead_letter_queue) = broker.map(|(broker, queue)| (Arc::new(broker), queue)).unzip();
        let catalog = Arc::new(Catalog::new(database.clone()));
        catalog.refresh().await?;
        let names = Reconciler::ALL.map(Reconciler::name);
        store::reconcilers::reconciler_insert_missing(&database, &names).await?;
        let live = Live::default();
        let roster = Arc::new(Roster::new(database.clone()));
        let control = ControlMessages::start(broker.clone());
        let broker_queues = BrokerQueues::new(broker.clone(), catalog.clone(), dispatch.tick);
        let deps = Deps {
            database: writer_database,
            catalog: catalog.clone(),
            roster: roster.clone(),
            broker: broker.clone(),
            broker_queues: broker_queues.clone(),
            live: live.clone(),
            events: Events::start(broker.clone()),
            control: control.clone(),
            leases: Deps::lease_times(&lease),
            log: Deps::log_limits(&limits),
            window: Deps::window(&dispatch),
            queue_limit: dispatch.queue_limit,
            writes: writes.clone(),
            clock: clock.clone(),
        };
        let (notices, received) = notices::channel();
        let writer = writer::start(deps, (notices.clone(), received), shutdown.clone());
        tokio::spawn(broker_queues.clone().run(notices.clone(), shutdown.clone()));
        let followed = Followed::start(database.clone(), live, shutdown.clone());
        let presence = Presence::start(database.clone(), lease.agent, shutdown.clone());
        let sweep_after = TimeDelta::from_std(dispatch.sweep_after).unwrap_or(TimeDelta::MAX);
        let consumer_timeout = TimeDelta::from_std(dispatch.consumer_timeout).unwrap_or(TimeDelta::MAX);
        let orchestrator = Self {
            database,
            catalog,
            writer,
            notices,
            control,
            broker,
            broker_queues,
            followed,
            stream_patience,
            lease,
            started_at: clock(),
            writes,
            refused,
            clock,
            steady_clock,
            shutdown: shutdown.clone(),
            roster,
            worker_changes: Arc::default(),
            presence,
            retention,
            sweep_after,
            consumer_timeout,
            queue_profile: dispatch.queue_profile,
            tick: dispatch.tick,
            replica_id: Uuid::now_v7(),
            started: Instant::now(),
            snapshot: Snapshot::default(),
        };
        orchestrator.roster.refresh().await?;
        if let (Some(broker), Some(queue)) = (orchestrator.broker.clone(), dead_letter_queue) {
            tokio::spawn(dead_letters::run(orchestrator.clone(), broker.clone(), queue));
            tokio::spawn(orchestrator.clone().watch_broker(broker));
        }
        orchestrator.compare_clocks().await?;
        let returns = orchestrator.looks_for_others().await?;
        reconcilers::start(&orchestrator, returns);
        tokio::spawn(orchestrator.clone().tick());
        tokio::spawn(orchestrator.clone().count_worker_changes());
        tokio::spawn(orchestrator.clone().keep_beating());
        Ok(orchestrator)
    }

    /// Routes of this service. They need the app data of [`runtime::Access`] and [`runtime::Bodies`].
    pub fn routes(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        routes::routes(self.clone())
    }

    /// How long a registered worker's lease lasts.
    pub(crate) fn lease_time(&self) -> TimeDelta {
        TimeDelta::from_std(self.lease.agent).unwrap_or(TimeDelta::MAX)
    }

    /// Refreshes what each replica caches.
    async fn tick(self) {
        let mut out_of_reach = false;
        let mut cached = CachedWorkers::default();
        let mut told = BTreeMap::new();
        let mut ticks: u32 = 0;
        loop {
            match self.refresh(&mut cached).await {
                Ok(()) => out_of_reach = false,
                Err(error) => {
                    if !std::mem::replace(&mut out_of_reach, true) {
                        tracing::warn!(%error, "automations, pauses and workers could not be read");
                    }
                }
            }
            tokio::select! {
                () = self.shutdown.wait() => return,
                () = tokio::time::sleep(self.tick) => {}
            }
            ticks = ticks.wrapping_add(1);
            if ticks.is_multiple_of(TELL_EVERY)
                && let Err(error) = self.log_reasons(&mut told).await
            {
                tracing::debug!(%error, "why jobs wait was not looked at");
            }
            if let Err(error) = self.note_refused_keys().await {
                tracing::debug!(%error, "refused keys were not noted");
            }
        }
    }

    /// Lets the hub's time follow the clock that all hubs of the database share.
    async fn compare_clocks(&self) -> Result<(), Error> {
        if let Some(time) = self.database.time().await? {
            self.steady_clock.compare(time);
        }
        Ok(())
    }

    async fn refresh(&self, cached: &mut CachedWorkers) -> Result<(), Error> {
        self.compare_clocks().await?;
        self.catalog.refresh().await?;
        let workers = self.workers_if_changed(cached).await?;
        if workers.is_some() {
            self.roster.refresh().await?;
        }
        self.notices.send(Notice::Refresh(workers));
        Ok(())
    }

    /// Notes which jobs workers with a wrong key wanted to start.
    async fn note_refused_keys(&self) -> Result<(), Error> {
        for (job_id, times) in self.refused.take_starts(MOST_REFUSED) {
            let times = i32::try_from(times).unwrap_or(i32::MAX);
            store::jobs::job_note_refused(&self.database, job_id, times, (self.clock)()).await?;
        }
        Ok(())
    }

    async fn keep_beating(self) {
        loop {
            let again = match self.beat().await {
                Ok(()) => {
                    self.writes.worked();
                    BEAT_EVERY
                }
                Err(error) => {
                    self.writes.failed(&error);
                    BEAT_EVERY.min(self.tick)
                }
            };
            tokio::select! {
                () = self.shutdown.wait() => return,
                () = tokio::time::sleep(again) => {}
            }
        }
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
                self.broker_queues.want_named();
                let queues = store::jobs::job_queues_waiting(&self.database).await.unwrap_or_default();
                self.notices.send(Notice::Candidates(queues));
            } else {
                tracing::warn!("broker out of reach; jobs are accepted and wait");
            }
        }
    }
}
