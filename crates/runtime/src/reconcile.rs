//! Reconcilers: loops that compare what is stored with what should be, and repair the difference.
//!
//! A reconciler has no input: it reads the state anew, may run at any time and does nothing twice. Of all replicas one runs it at a time
//! (a claim in the database, which ends by itself when its holder dies); two at once, by clocks that disagree, do no harm. One that judges
//! by silence ([`Reconciler::judges`]) does not run until workers have had the time of a lease to speak, after a time when this replica
//! could not hear them. Every run, whichever service owns it, is a row that `/api/v1/ops/reconcilers` shows.

mod absence;
mod run;

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
use tokio::sync::Notify;

use crate::{Clock, Failure, Shutdown, TaskError, Tasks, WriteHealth};

/// What a run did, as counts.
pub type Counts = BTreeMap<&'static str, u64>;

/// Compares what is stored with what should be, and repairs the difference.
pub trait Reconciler: Send + Sync + 'static {
    /// Its name in the API, the database and the log, in snake_case; unique in the whole installation.
    fn name(&self) -> &'static str;

    /// How often it runs.
    fn interval(&self) -> Duration;

    /// How long a run may take before it is stopped. When its replica dies in the midst of it, another one waits for half as long again:
    /// short for those that jobs wait for.
    fn limit(&self) -> Duration {
        Duration::from_secs(20)
    }

    /// Whether it draws conclusions from not having heard of somebody.
    fn judges(&self) -> bool {
        false
    }

    /// Reads the state, repairs what it finds, and says what it did. `now` is the moment for which what is due is due: it was taken before
    /// it was asked whether this replica was absent.
    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>>;
}

/// What reconcilers are run with.
#[derive(Clone)]
pub struct Terms {
    /// Where claims and outcomes are kept.
    pub database: Database,
    /// The time.
    pub clock: Clock,
    /// This process among the replicas.
    pub holder: ReplicaId,
    /// How often the hub looks for what is due.
    pub tick: Duration,
    /// How long workers get to speak after an absence.
    pub lease: Duration,
    /// Whether no replica was there before this one started: that was an absence, too.
    pub returns: bool,
    /// Whether the database takes writes: one that does not keeps workers from saying that they live.
    pub writes: WriteHealth,
    /// When to end.
    pub shutdown: Shutdown,
}

/// The reconcilers of this process. Clones are the same ones.
#[derive(Clone)]
pub struct Reconcilers(Arc<Inner>);

struct Inner {
    terms: Terms,
    entries: RwLock<BTreeMap<&'static str, Entry>>,
}

#[derive(Clone)]
struct Entry {
    reconciler: Arc<dyn Reconciler>,
    nudge: Arc<Notify>,
}

impl Reconcilers {
    /// None yet.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self(Arc::new(Inner { terms, entries: RwLock::default() }))
    }

    /// Runs `reconcilers`, each in a task of its own.
    ///
    /// # Errors
    /// Any [`store::Error`] of the database.
    pub async fn start(&self, reconcilers: Vec<Arc<dyn Reconciler>>, tasks: &Tasks) -> Result<(), store::Error> {
        let intervals: Vec<_> =
            reconcilers.iter().map(|one| (one.name(), TimeDelta::from_std(one.interval()).unwrap_or(TimeDelta::MAX))).collect();
        store::reconcilers::reconciler_put(&self.0.terms.database, &intervals).await?;
        for reconciler in reconcilers {
            let entry = Entry { reconciler, nudge: Arc::default() };
            self.0.entries.write().unwrap_or_else(PoisonError::into_inner).insert(entry.reconciler.name(), entry.clone());
            let terms = self.0.terms.clone();
            let name = format!("reconciler.{}", entry.reconciler.name());
            tasks.spawn(name, move || run::keep_running(terms.clone(), entry.clone()));
        }
        Ok(())
    }

    /// Lets a reconciler of this process run now, whether it is due or not; it may be running already and then runs again. A nudge of one
    /// that another service owns does nothing: that one runs when it is due.
    pub fn nudge(&self, name: &str) {
        if let Some(entry) = self.entry(name) {
            entry.nudge.notify_one();
        }
    }

    /// Runs a reconciler once and waits for it, whether it is due or not, and whoever else runs it; `None` when this process has none of that
    /// name. For tests, which drive it without waiting.
    ///
    /// # Errors
    /// Those of the reconciler.
    pub async fn run_once(&self, name: &str) -> Option<Result<Counts, TaskError>> {
        let entry = self.entry(name)?;
        Some(entry.reconciler.run_once((self.0.terms.clock)()).await)
    }

    /// How each of the whole installation stands.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] when the database does not answer.
    pub async fn statuses(&self) -> Result<Vec<ReconcilerStatus>, Failure> {
        let now = (self.0.terms.clock)();
        let to_api = |one: store::reconcilers::Reconciler| {
            let interval = one.interval?;
            // One that no replica has run for a day beyond its interval is of another version of the hub.
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
