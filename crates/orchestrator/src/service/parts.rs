//! The parts that use cases share, and the construction of each use case from them.

use std::sync::Arc;

use broker::Broker;
use chrono::TimeDelta;
use domain::ids::JobId;
use runtime::Context;
use store::Error;

use crate::{
    automations::Automations,
    catalog::Catalog,
    dead_letters::DeadLetters,
    dispatch::{BrokerQueues, ControlMessages},
    events::Announcer,
    jobs::{Followed, Jobs, LogStreams, WaitingReasons},
    notices::{self, Notices},
    ops::{LastStatus, Ops},
    queues::Queues,
    refresh::Refresh,
    roster::Roster,
    watchers::Watchers,
    worker_api::Reports,
    workers::{Presence, WorkerChanges, Workers},
    writer::{self, Deps, JobMetrics, LeaseTimes, Writer},
};

/// The parts that several subjects share.
pub(super) struct Parts {
    pub(super) catalog: Arc<Catalog>,
    pub(super) roster: Arc<Roster>,
    pub(super) broker: Option<Arc<Broker>>,
    pub(super) broker_queues: BrokerQueues,
    pub(super) control: ControlMessages,
    pub(super) followers: Watchers<JobId>,
    pub(super) notices: Notices,
    pub(super) writer: Writer,
    pub(super) worker_changes: WorkerChanges,
    /// How long a registered worker's lease lasts.
    pub(super) lease: TimeDelta,
}

impl Parts {
    /// Reads the caches and starts the writer.
    ///
    /// # Errors
    /// Any [`Error`] of the database.
    pub(super) async fn start(context: &Context) -> Result<Self, Error> {
        let Context { settings, database, clock, tasks, shutdown, .. } = context;
        let catalog = Arc::new(Catalog::new(database.clone()));
        catalog.refresh().await?;
        let roster = Arc::new(Roster::new(database.clone()));
        roster.refresh().await?;
        let broker = context.broker.clone().map(Arc::new);
        let deps = Deps {
            database: context.connect_alone().await?,
            broker_queues: BrokerQueues::new(broker.clone(), catalog.clone(), settings.dispatch.tick),
            control: ControlMessages::start(broker.clone(), tasks),
            followers: Watchers::default(),
            catalog,
            roster,
            broker,
            events: context.events.clone(),
            leases: LeaseTimes::new(&settings.lease),
            log: Deps::log_limits(&settings.limits),
            window: Deps::window(&settings.dispatch),
            queue_limit: settings.dispatch.queue_limit,
            writes: context.writes.clone(),
            clock: clock.clone(),
            job_metrics: JobMetrics::new(&context.metrics),
        };
        let (notices, received) = notices::channel();
        Ok(Self {
            catalog: deps.catalog.clone(),
            roster: deps.roster.clone(),
            broker: deps.broker.clone(),
            broker_queues: deps.broker_queues.clone(),
            control: deps.control.clone(),
            followers: deps.followers.clone(),
            lease: deps.leases.agent,
            worker_changes: WorkerChanges::new(database.clone(), notices.clone(), settings.lease.agent, clock.clone()),
            writer: writer::start(deps, (notices.clone(), received), tasks, shutdown.clone()),
            notices,
        })
    }

    pub(super) fn automations(&self, context: &Context) -> Automations {
        Automations {
            database: context.database.clone(),
            catalog: self.catalog.clone(),
            broker_queues: self.broker_queues.clone(),
            notices: self.notices.clone(),
            queue_profile: context.settings.dispatch.queue_profile,
            announcer: announcer(context),
            clock: context.clock.clone(),
        }
    }

    pub(super) fn queues(&self, context: &Context) -> Queues {
        Queues {
            database: context.database.clone(),
            catalog: self.catalog.clone(),
            notices: self.notices.clone(),
            announcer: announcer(context),
            clock: context.clock.clone(),
        }
    }

    pub(super) fn jobs(&self, context: &Context) -> Jobs {
        Jobs {
            database: context.database.clone(),
            catalog: self.catalog.clone(),
            writer: self.writer.clone(),
            notices: self.notices.clone(),
            reasons: self.waiting_reasons(context),
            clock: context.clock.clone(),
        }
    }

    pub(super) fn waiting_reasons(&self, context: &Context) -> WaitingReasons {
        WaitingReasons {
            database: context.database.clone(),
            catalog: self.catalog.clone(),
            broker: self.broker.clone(),
            broker_queues: self.broker_queues.clone(),
            lease: self.lease,
            clock: context.clock.clone(),
        }
    }

    pub(super) fn log_streams(&self, context: &Context) -> LogStreams {
        let Context { database, tasks, shutdown, .. } = context;
        LogStreams {
            followed: Followed::start(database.clone(), self.followers.clone(), tasks, shutdown),
            patience: context.settings.http.stream_patience,
            access: context.access.clone(),
            shutdown: shutdown.clone(),
        }
    }

    pub(super) fn workers(&self, context: &Context) -> Workers {
        let Context { settings, database, tasks, shutdown, .. } = context;
        Workers {
            database: database.clone(),
            writer: self.writer.clone(),
            roster: self.roster.clone(),
            changes: self.worker_changes.clone(),
            presence: Presence::start(database.clone(), settings.lease.agent, tasks, shutdown.clone()),
            control: self.control.clone(),
            settings: settings.lease.clone(),
            lease: self.lease,
            announcer: announcer(context),
            clock: context.clock.clone(),
            shutdown: shutdown.clone(),
        }
    }

    pub(super) fn reports(&self, context: &Context) -> Reports {
        Reports {
            database: context.database.clone(),
            writer: self.writer.clone(),
            roster: self.roster.clone(),
            clock: context.clock.clone(),
        }
    }

    pub(super) fn dead_letters(&self, context: &Context) -> DeadLetters {
        DeadLetters {
            database: context.database.clone(),
            catalog: self.catalog.clone(),
            writer: self.writer.clone(),
            broker: self.broker.clone(),
            announcer: announcer(context),
            clock: context.clock.clone(),
        }
    }

    pub(super) fn ops(&self, context: &Context) -> Ops {
        Ops {
            database: context.database.clone(),
            broker: self.broker.clone(),
            replica: context.replica.clone(),
            refused: context.access.refused.clone(),
            lease: self.lease,
            clock: context.clock.clone(),
            last: LastStatus::default(),
        }
    }

    pub(super) fn refresh(&self, context: &Context) -> Refresh {
        Refresh {
            database: context.database.clone(),
            catalog: self.catalog.clone(),
            queues: self.broker_queues.clone(),
            roster: self.roster.clone(),
            worker_changes: self.worker_changes.clone(),
            reasons: self.waiting_reasons(context),
            refused: context.access.refused.clone(),
            notices: self.notices.clone(),
            clock: context.clock.clone(),
            tick: context.settings.dispatch.tick,
        }
    }
}

pub(super) fn announcer(context: &Context) -> Announcer {
    Announcer { events: context.events.clone(), database: context.database.clone(), clock: context.clock.clone() }
}
