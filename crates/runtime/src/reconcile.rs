//! Reconcilers: periodic loops that compare the stored state with the expected one and repair the difference.
//!
//! A reconciler has no input: it reads the state again, may run at any time and is idempotent. One replica runs it at a time (a claim in
//! the database, which expires when its holder dies); two at the same time, because of clocks that disagree, do no harm. A reconciler that
//! concludes from missing heartbeats ([`Reconciler::judges`]) does not run until workers have had the time of a lease to send one, after a
//! period in which this replica could not receive them. Every run, whichever service owns it, is visible in `/api/v1/ops/reconcilers`.

mod absence;
pub mod retention;
mod run;
mod run_metrics;

use domain::ids::ReplicaId;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use api_types::ReconcilerStatus;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use store::Database;
use telemetry::metrics::Metrics;
use tokio::sync::{Notify, Semaphore};

use self::run_metrics::RunMetrics;
use crate::{Clock, Failure, Shutdown, TaskError, Tasks, WriteHealth};

/// Outcome of a run, as counts.
pub type Counts = BTreeMap<&'static str, u64>;

/// Compares the stored state with the expected one and repairs the difference.
pub trait Reconciler: Send + Sync + 'static {
    /// Its name in the API, the database and the log, in snake_case; unique in the whole installation.
    fn name(&self) -> &'static str;

    /// How often it runs.
    fn interval(&self) -> Duration;

    /// Time limit of a run. If its replica dies during a run, another one can claim it after 1.5 times this limit, so it should be short
    /// where jobs wait for it.
    fn limit(&self) -> Duration {
        Duration::from_secs(20)
    }

    /// Whether it draws conclusions from missing heartbeats.
    fn judges(&self) -> bool {
        false
    }

    /// Reads the state, repairs it, and returns what it did. `now` decides what is due; it was read before the check for an absence of this
    /// replica.
    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>>;
}

/// Dependencies of the reconcilers.
#[derive(Clone)]
pub struct Terms {
    /// Stores claims and outcomes.
    pub database: Database,
    /// The time.
    pub clock: Clock,
    /// Id of this replica.
    pub holder: ReplicaId,
    /// How often the hub checks for due work.
    pub tick: Duration,
    /// Time that workers get to send a heartbeat after an absence.
    pub lease: Duration,
    /// Whether no replica was alive before this one started, which counts as an absence.
    pub returns: bool,
    /// Whether the database accepts writes: otherwise heartbeats cannot be recorded.
    pub writes: WriteHealth,
    /// Shutdown signal.
    pub shutdown: Shutdown,
    /// Where runs are counted.
    pub metrics: Metrics,
}

/// The reconcilers of this process. Clones share them.
#[derive(Clone)]
pub struct Reconcilers(Arc<Inner>);

struct Inner {
    terms: Terms,
    claiming: Arc<Semaphore>,
    entries: RwLock<BTreeMap<&'static str, Entry>>,
}

#[derive(Clone)]
struct Entry {
    reconciler: Arc<dyn Reconciler>,
    nudge: Arc<Notify>,
    run_metrics: RunMetrics,
}

impl Reconcilers {
    /// No reconcilers yet.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self(Arc::new(Inner { terms, claiming: Arc::new(Semaphore::new(1)), entries: RwLock::default() }))
    }

    /// Runs `reconcilers`, each in its own task.
    ///
    /// # Errors
    /// Any [`store::Error`] of the database.
    pub async fn start(&self, reconcilers: Vec<Arc<dyn Reconciler>>, tasks: &Tasks) -> Result<(), store::Error> {
        let intervals: Vec<_> =
            reconcilers.iter().map(|one| (one.name(), TimeDelta::from_std(one.interval()).unwrap_or(TimeDelta::MAX))).collect();
        store::reconcilers::reconciler_put(&self.0.terms.database, &intervals).await?;
        for reconciler in reconcilers {
            let run_metrics = RunMetrics::new(&self.0.terms.metrics, &*reconciler, (self.0.terms.clock)());
            let entry = Entry { reconciler, nudge: Arc::default(), run_metrics };
            self.0.entries.write().unwrap_or_else(PoisonError::into_inner).insert(entry.reconciler.name(), entry.clone());
            let (terms, claiming) = (self.0.terms.clone(), self.0.claiming.clone());
            let name = format!("reconciler.{}", entry.reconciler.name());
            tasks.spawn(name, move || run::keep_running(terms.clone(), claiming.clone(), entry.clone()));
        }
        Ok(())
    }

    /// Runs a reconciler of this process now, due or not; if it is running, it runs again. No effect on a reconciler that runs in another
    /// process.
    pub fn nudge(&self, name: &str) {
        if let Some(entry) = self.entry(name) {
            entry.nudge.notify_one();
        }
    }

    /// Runs a reconciler once, due or not and whatever its claim, and waits for it; `None` when this process has none of that name. For
    /// tests.
    ///
    /// # Errors
    /// The reconciler's.
    pub async fn run_once(&self, name: &str) -> Option<Result<Counts, TaskError>> {
        let entry = self.entry(name)?;
        Some(entry.reconciler.run_once((self.0.terms.clock)()).await)
    }

    /// The state of each reconciler of the installation.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] when the database does not answer.
    pub async fn statuses(&self) -> Result<Vec<ReconcilerStatus>, Failure> {
        let now = (self.0.terms.clock)();
        let to_api = |one: store::reconcilers::Reconciler| {
            let interval = one.interval?;
            // A reconciler that has not run for a day beyond its interval belongs to another version of the hub.
            let is_current = one.last_started_at.is_none_or(|at| at >= now - interval - TimeDelta::days(1));
            is_current.then(|| ReconcilerStatus {
                interval_s: interval.as_seconds_f64(),
                running: one.holder.is_some() && one.held_until.is_some_and(|until| until >= now),
                name: one.name,
                holder: one.holder,
                last_started_at: one.last_started_at,
                last_finished_at: one.last_finished_at,
                last_duration_ms: one.last_duration_ms,
                last_outcome: one.last_outcome,
                last_error: one.last_error,
                runs: one.runs,
            })
        };
        Ok(store::reconcilers::reconciler_list(&self.0.terms.database).await?.into_iter().filter_map(to_api).collect())
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        self.0.entries.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}
