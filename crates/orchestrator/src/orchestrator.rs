//! What the use cases share; [`crate::service`] puts it together.

use std::{sync::Arc, time::Duration};

use broker::Broker;
use chrono::TimeDelta;
use domain::automation::QueueProfile;
use runtime::{Clock, LeaseSettings, RefusedKeys, Replica, Shutdown};
use store::Database;

use crate::{
    automations::Catalog,
    dispatch::{BrokerQueues, ControlMessages},
    jobs::Followed,
    notices::Notices,
    ops::Snapshot,
    workers::{Presence, Roster, WorkerChanges},
    writer::Writer,
};

/// The running service. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Orchestrator {
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) writer: Writer,
    pub(crate) notices: Notices,
    pub(crate) broker: Option<Arc<Broker>>,
    pub(crate) broker_queues: BrokerQueues,
    pub(crate) followed: Followed,
    pub(crate) stream_patience: Duration,
    pub(crate) lease: LeaseSettings,
    pub(crate) refused: RefusedKeys,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
    pub(crate) roster: Arc<Roster>,
    pub(crate) worker_changes: Arc<WorkerChanges>,
    pub(crate) presence: Presence,
    pub(crate) control: ControlMessages,
    pub(crate) queue_profile: Option<QueueProfile>,
    pub(crate) tick: Duration,
    pub(crate) replica: Replica,
    pub(crate) snapshot: Snapshot,
}

impl Orchestrator {
    /// How long a registered worker's lease lasts.
    pub(crate) fn lease_time(&self) -> TimeDelta {
        TimeDelta::from_std(self.lease.agent).unwrap_or(TimeDelta::MAX)
    }
}
