use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use telemetry::metrics::{Counter, Family, Gauge, Group, Histogram, Metrics, catalog};

use super::{Counts, Reconciler};

/// The metrics of a reconciler.
#[derive(Clone)]
pub(super) struct RunMetrics {
    name: &'static str,
    runs: Arc<Group<Counter>>,
    work: Family<Counter>,
    duration: Histogram,
    last_success: Gauge,
}

impl RunMetrics {
    pub(super) fn new(metrics: &Metrics, reconciler: &dyn Reconciler, now: DateTime<Utc>) -> Self {
        let name = reconciler.name();
        metrics.family(&catalog::RECONCILER_INTERVAL).of(&[name]).set(reconciler.interval().as_secs_f64());
        let last_success = metrics.family(&catalog::RECONCILER_SUCCESS).of(&[name]);
        last_success.set(now.timestamp() as f64);
        Self {
            name,
            runs: metrics.family(&catalog::RECONCILER_RUNS).group(&[name]),
            work: metrics.family(&catalog::RECONCILER_WORK),
            duration: metrics.family(&catalog::RECONCILER_DURATION).of(&[name]),
            last_success,
        }
    }

    /// Counts a run that ended `now`; `None`: it failed.
    pub(super) fn count(&self, took: Duration, outcome: Option<&Counts>, now: DateTime<Utc>) {
        self.duration.observe(took.as_secs_f64());
        let Some(counts) = outcome else {
            self.runs.of(&["failed"]).inc();
            return;
        };
        self.runs.of(&["done"]).inc();
        self.last_success.set(now.timestamp() as f64);
        for (work, count) in counts {
            self.work.of(&[self.name, work]).inc_by(*count);
        }
    }
}
