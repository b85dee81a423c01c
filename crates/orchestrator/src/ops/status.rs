//! Reads the status of the hub.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use api_types::{BrokerStatus, OpsStatus, QueueStatus, ReplicaStatus, WorkerCounts};
use auth::Permitted;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Scope, job::Status, worker::State};
use runtime::Failure;
use store::{ops::QueueLoad, reconcilers::Replica};

use super::Ops;

/// Maximum age of an answer, so that any number of viewers costs the database one read.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// Time limit for the broker to report the depths of all queues.
const PATIENCE: Duration = Duration::from_secs(1);

impl Ops {
    pub(crate) async fn status(&self, by: &Permitted) -> Result<OpsStatus, Failure> {
        let mut last = self.last.lock().await;
        last.retain(|_, (read_at, _)| read_at.elapsed() < FRESH_FOR);
        if let Some((_, status)) = last.get(by.scope()) {
            return Ok(status.clone());
        }
        let status = self.read_status(by.scope()).await?;
        last.insert(by.scope().clone(), (Instant::now(), status.clone()));
        Ok(status)
    }

    async fn read_status(&self, scope: &Scope) -> Result<OpsStatus, Failure> {
        let now = (self.clock)();
        let loads = store::ops::queue_loads(&self.database, scope).await?;
        let ended = store::ops::job_count_ended(&self.database, scope, now - TimeDelta::hours(1)).await?;
        let ended_as = |statuses: &[Status]| ended.iter().filter(|(status, _)| statuses.contains(status)).map(|(_, jobs)| jobs).sum();
        let replicas = self.replica.alive().await?;
        let connected = self.broker.as_ref().is_some_and(|broker| broker.is_connected());
        let mut depths = self.depths(loads.keys()).await;
        Ok(OpsStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: self.replica.uptime().as_secs(),
            now,
            database: domain::health::Database::Ok,
            broker: BrokerStatus { configured: self.broker.is_some(), connected },
            workers: self.worker_counts(scope, now).await?,
            running: loads.values().map(|load| load.running).sum(),
            pending: loads.values().map(|load| load.waiting + load.dispatched).sum(),
            oldest_pending_s: loads.values().filter_map(|load| load.oldest_pending_at).min().map(|at| age(at, now)),
            queues: loads.into_iter().map(|(name, load)| queue_status(depths.remove(&name), name, &load, now)).collect(),
            failed_last_hour: ended_as(&[Status::Failed]),
            completed_last_hour: ended_as(&[Status::Completed, Status::CompletedNoInvoices]),
            refused_keys: self.refused.total(),
            replicas: replicas.into_iter().map(replica_status).collect(),
        })
    }

    async fn worker_counts(&self, scope: &Scope, now: DateTime<Utc>) -> Result<WorkerCounts, Failure> {
        let mut counts = WorkerCounts::default();
        for life in store::workers::worker_list_lives(&self.database, scope).await? {
            match life.state(self.lease, now) {
                State::Running => counts.running += 1,
                State::Paused => counts.paused += 1,
                State::Stopped => counts.stopped += 1,
                State::Lost => counts.lost += 1,
            }
        }
        Ok(counts)
    }

    /// Messages ready in the broker's queues, as far as it answers in time.
    async fn depths(&self, queues: impl Iterator<Item = &String>) -> BTreeMap<String, u32> {
        let mut depths = BTreeMap::new();
        let Some(broker) = &self.broker else { return depths };
        let asking = async {
            for queue in queues {
                if let Ok(Some(depth)) = broker.queue_depth_if_ensured(queue).await {
                    depths.insert(queue.clone(), depth.messages);
                }
            }
        };
        // Answers that arrived in time are shown.
        let _ = tokio::time::timeout(PATIENCE, asking).await;
        depths
    }
}

fn age(since: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
    (now - since).max(TimeDelta::zero()).as_seconds_f64()
}

fn queue_status(depth: Option<u32>, name: String, load: &QueueLoad, now: DateTime<Utc>) -> QueueStatus {
    QueueStatus {
        name,
        waiting: load.waiting,
        dispatched: load.dispatched,
        running: load.running,
        oldest_waiting_s: load.oldest_pending_at.map(|at| age(at, now)),
        depth,
    }
}

fn replica_status(replica: Replica) -> ReplicaStatus {
    let Replica { id, version, started_at, last_seen_at, services, public_key: _ } = replica;
    ReplicaStatus { id, version, started_at, last_seen_at, services: services.unwrap_or_default() }
}
