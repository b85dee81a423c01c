//! Tells who watches when a worker falls silent, and when it is back: neither changes a row. What was told is remembered, not stored: after another
//! replica takes over, or while nobody watched, the first run only learns who is lost.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ids::WorkerId, worker::State};
use futures_util::future::BoxFuture;
use runtime::{Context, Counts, Reconciler, TaskError};
use store::workers::worker_list_seen_unscoped;

use super::counts;
use crate::events::Announcer;

/// Whoever is silent for longer is told of no more, and is back by registering.
const WATCHED_FOR: TimeDelta = TimeDelta::days(1);
/// Runs in the time of a lease.
const RUNS_PER_LEASE: u32 = 3;

pub(super) struct LostWorkers {
    announcer: Announcer,
    lease: Duration,
    /// The workers that are lost, as far as they are known.
    lost: Mutex<Option<HashSet<WorkerId>>>,
}

impl LostWorkers {
    pub(super) fn new(announcer: Announcer, context: &Context) -> Self {
        Self { announcer, lease: context.settings.lease.agent, lost: Mutex::default() }
    }
}

impl Reconciler for LostWorkers {
    fn name(&self) -> &'static str {
        "lost_workers"
    }

    fn interval(&self) -> Duration {
        self.lease / RUNS_PER_LEASE
    }

    fn judges(&self) -> bool {
        true
    }

    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            if !self.announcer.events.has_receivers() {
                *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = None;
                return Ok(counts([("workers_lost", 0), ("workers_returned", 0)]));
            }
            let lease = TimeDelta::from_std(self.lease).unwrap_or(TimeDelta::MAX);
            let workers = worker_list_seen_unscoped(&self.announcer.database, now - WATCHED_FOR).await?;
            let state = |worker: &store::workers::Worker| worker.life.state(lease, now);
            let lost: HashSet<WorkerId> = workers.iter().filter(|worker| state(worker) == State::Lost).map(|worker| worker.id).collect();
            let known = self.lost.lock().unwrap_or_else(PoisonError::into_inner).replace(lost.clone());
            let Some(known) = known else { return Ok(counts([("workers_lost", 0), ("workers_returned", 0)])) };
            let (mut fell_silent, mut returned) = (0, 0);
            for worker in &workers {
                let (count, kind) = match (known.contains(&worker.id), state(worker)) {
                    (false, State::Lost) => (&mut fell_silent, "worker.lost"),
                    (true, State::Running | State::Paused) => (&mut returned, "worker.returned"),
                    _ => continue,
                };
                *count += 1;
                self.announcer.worker(kind, worker.id, &worker.name, &worker.queues);
            }
            Ok(counts([("workers_lost", fell_silent), ("workers_returned", returned)]))
        })
    }
}
