use std::sync::Arc;

use domain::ids::JobId;
use runtime::{Clock, Events, WriteHealth};
use store::Database;

use super::{
    job_metrics::JobMetrics,
    plan::{LeaseTimes, LogLimits},
};
use crate::{
    catalog::Catalog,
    dispatch::{BrokerQueues, ControlMessages, Window},
    roster::Roster,
    watchers::Watchers,
};

/// Dependencies of the writer.
pub(crate) struct Deps {
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) broker: Option<Arc<broker::Broker>>,
    pub(crate) broker_queues: BrokerQueues,
    /// Followers of jobs.
    pub(crate) followers: Watchers<JobId>,
    pub(crate) events: Events,
    pub(crate) control: ControlMessages,
    pub(crate) leases: LeaseTimes,
    pub(crate) log: LogLimits,
    pub(crate) window: Window,
    pub(crate) queue_limit: usize,
    pub(crate) writes: WriteHealth,
    pub(crate) clock: Clock,
    pub(crate) job_metrics: JobMetrics,
}

impl Deps {
    pub(crate) const fn log_limits(limits: &runtime::Limits) -> LogLimits {
        LogLimits { lines: limits.log_lines, bytes: limits.log_bytes }
    }

    pub(crate) const fn window(dispatch: &runtime::Dispatch) -> Window {
        Window { unknown: dispatch.window, lookahead: dispatch.lookahead }
    }
}
