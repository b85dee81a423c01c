//! Puts the service together and runs its tasks.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::web::Data;
use broker::Broker;
use futures_util::future::BoxFuture;
use runtime::{Context, Running, StartError, TaskError};
use store::Error;

use crate::{
    Orchestrator,
    automations::Catalog,
    dead_letters,
    dispatch::{BrokerQueues, ControlMessages},
    jobs::Followed,
    notices::{self, Notice},
    ops::Snapshot,
    reconcilers, routes,
    watchers::Watchers,
    workers::{CachedWorkers, Presence, Roster},
    writer::{self, Deps},
};

/// Jobs with refused keys that are noted in a tick.
const MOST_REFUSED: usize = 100;
/// How often the log says why jobs wait, in ticks.
const LOG_EVERY: u32 = 10;

/// The orchestrator as a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service;

impl runtime::Service for Service {
    fn name(&self) -> &'static str {
        "orchestrator"
    }

    fn describe(&self) -> utoipa::openapi::OpenApi {
        routes::description()
    }

    fn start<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Running, StartError>> {
        Box::pin(async move {
            let orchestrator = Orchestrator::start(context).await?;
            let reconcilers = reconcilers::all(&orchestrator, context);
            let shared = Data::new(orchestrator);
            let running = Running::new(move |config| routes::routes(shared.clone(), config));
            Ok(running.with_reconcilers(reconcilers))
        })
    }
}

impl Orchestrator {
    /// Starts the tasks, which end after the context's shutdown.
    ///
    /// # Errors
    /// Any [`Error`] of the database, when the automations cannot be read.
    async fn start(context: &Context) -> Result<Self, Error> {
        let Context { settings, database, clock, tasks, shutdown, .. } = context;
        let broker = context.broker.clone().map(Arc::new);
        let catalog = Arc::new(Catalog::new(database.clone()));
        catalog.refresh().await?;
        let (followers, roster) = (Watchers::default(), Arc::new(Roster::new(database.clone())));
        roster.refresh().await?;
        let control = ControlMessages::start(broker.clone(), tasks);
        let broker_queues = BrokerQueues::new(broker.clone(), catalog.clone(), settings.dispatch.tick);
        let deps = Deps {
            database: context.connect_alone().await?,
            catalog: catalog.clone(),
            roster: roster.clone(),
            broker: broker.clone(),
            broker_queues: broker_queues.clone(),
            followers: followers.clone(),
            events: context.events.clone(),
            control: control.clone(),
            leases: Deps::lease_times(&settings.lease),
            log: Deps::log_limits(&settings.limits),
            window: Deps::window(&settings.dispatch),
            queue_limit: settings.dispatch.queue_limit,
            writes: context.writes.clone(),
            clock: clock.clone(),
        };
        let (notices, received) = notices::channel();
        let writer = writer::start(deps, (notices.clone(), received), tasks, shutdown.clone());
        let orchestrator = Self {
            followed: Followed::start(database.clone(), followers, tasks, shutdown),
            presence: Presence::start(database.clone(), settings.lease.agent, tasks, shutdown.clone()),
            database: database.clone(),
            catalog,
            writer,
            notices,
            control,
            broker,
            broker_queues,
            stream_patience: settings.http.stream_patience,
            lease: settings.lease.clone(),
            refused: context.access.refused.clone(),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
            roster,
            worker_changes: Arc::default(),
            queue_profile: settings.dispatch.queue_profile,
            tick: settings.dispatch.tick,
            replica: context.replica.clone(),
            snapshot: Snapshot::default(),
        };
        orchestrator.start_tasks(context);
        Ok(orchestrator)
    }

    fn start_tasks(&self, context: &Context) {
        let (tasks, settings) = (&context.tasks, &context.settings);
        let hub = self.clone();
        tasks.spawn("orchestrator.queues", move || hub.broker_queues.clone().run(hub.notices.clone(), hub.shutdown.clone()));
        let hub = self.clone();
        tasks.spawn("orchestrator.refresh", move || hub.clone().keep_fresh());
        let hub = self.clone();
        tasks.spawn("orchestrator.worker_changes", move || hub.clone().count_worker_changes());
        if let Some(broker) = self.broker.clone() {
            let (hub, queue, letters) = (self.clone(), settings.broker.dead_letter_queue.clone(), broker.clone());
            tasks.spawn("orchestrator.dead_letters", move || dead_letters::run(hub.clone(), letters.clone(), queue.clone()));
            let hub = self.clone();
            tasks.spawn("orchestrator.broker", move || hub.clone().watch_broker(broker.clone()));
        }
    }

    /// Refreshes what each replica caches.
    async fn keep_fresh(self) -> Result<(), TaskError> {
        let mut out_of_reach = false;
        let mut cached = CachedWorkers::default();
        let mut logged = BTreeMap::new();
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
                () = self.shutdown.wait() => return Ok(()),
                () = tokio::time::sleep(self.tick) => {}
            }
            ticks = ticks.wrapping_add(1);
            if ticks.is_multiple_of(LOG_EVERY)
                && let Err(error) = self.log_reasons(&mut logged).await
            {
                tracing::debug!(%error, "why jobs wait was not looked at");
            }
            if let Err(error) = self.note_refused_keys().await {
                tracing::debug!(%error, "refused keys were not noted");
            }
        }
    }

    async fn refresh(&self, cached: &mut CachedWorkers) -> Result<(), Error> {
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

    /// Looks for what waits as soon as the broker is back.
    async fn watch_broker(self, broker: Arc<Broker>) -> Result<(), TaskError> {
        let mut connected = broker.watch_connected();
        loop {
            tokio::select! {
                () = self.shutdown.wait() => return Ok(()),
                changed = connected.changed() => changed?,
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
