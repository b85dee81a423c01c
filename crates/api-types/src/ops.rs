use chrono::{DateTime, Utc};
use domain::{health, ids::ReplicaId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::schema;

/// How the hub and its work stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OpsStatus {
    /// Version of the hub.
    pub version: String,
    /// Seconds since the start of the replica that answers.
    pub uptime_s: u64,
    /// When this was read; an answer is at most a second old.
    pub now: DateTime<Utc>,
    /// The database.
    #[schema(value_type = schema::DatabaseHealth)]
    pub database: health::Database,
    /// The broker.
    pub broker: BrokerStatus,
    /// Workers by state.
    pub workers: WorkerCounts,
    /// Queues by name: those in which a job waits or runs, and those of automations.
    pub queues: Vec<QueueStatus>,
    /// Jobs that a worker holds.
    pub running: u64,
    /// Jobs that were not started.
    pub pending: u64,
    /// Jobs that failed within the last hour.
    pub failed_last_hour: u64,
    /// Jobs that ended well within the last hour.
    pub completed_last_hour: u64,
    /// Age of the oldest job that was not started, in seconds.
    pub oldest_pending_s: Option<f64>,
    /// Requests of workers that the replica that answers refused since its start, because their key or token was missing or wrong.
    #[serde(default)]
    pub refused_keys: u64,
    /// Hub processes that live.
    pub replicas: Vec<ReplicaStatus>,
}

/// How the broker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrokerStatus {
    /// The settings name one.
    pub configured: bool,
    /// The replica that answers is connected to it.
    pub connected: bool,
}

/// Workers by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerCounts {
    /// Alive, take jobs.
    pub running: u64,
    /// Alive, take nothing new.
    pub paused: u64,
    /// Said goodbye.
    pub stopped: u64,
    /// Not heard of.
    pub lost: u64,
}

/// How a queue is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueueStatus {
    /// Its name.
    pub name: String,
    /// Jobs that wait in the database.
    pub waiting: u64,
    /// Jobs whose message is with the broker or on its way there.
    pub dispatched: u64,
    /// Jobs that a worker holds.
    pub running: u64,
    /// Age of the oldest job that was not started, in seconds.
    pub oldest_waiting_s: Option<f64>,
    /// Messages ready in the broker's queue; null when that is not known.
    pub depth: Option<u32>,
}

/// A hub process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplicaStatus {
    /// Id, new at each start.
    #[schema(value_type = Uuid)]
    pub id: ReplicaId,
    /// Version of its program.
    pub version: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it last said that it lives.
    pub last_seen_at: DateTime<Utc>,
    /// The services that it runs; empty for a version that always runs all.
    pub services: Vec<String>,
}

/// How a reconciler stands: one of the loops that repair what went wrong. Of several replicas one runs it at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReconcilerStatus {
    /// Its name.
    pub name: String,
    /// Seconds between runs.
    pub interval_s: f64,
    /// A replica runs it now.
    pub running: bool,
    /// That replica.
    #[schema(value_type = Option<Uuid>)]
    pub holder: Option<ReplicaId>,
    /// When the last run began.
    pub last_started_at: Option<DateTime<Utc>>,
    /// When the last run ended.
    pub last_finished_at: Option<DateTime<Utc>>,
    /// How long it took, in milliseconds.
    pub last_duration_ms: Option<i64>,
    /// What it did, as counts; null when it failed.
    pub last_outcome: Option<Value>,
    /// Why it failed, when it did.
    pub last_error: Option<String>,
    /// Runs that ended.
    pub runs: i64,
}

/// A named task of a replica: what runs beside its requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskStatus {
    /// Its name, such as `orchestrator.writer`.
    pub name: String,
    /// Whether it runs.
    #[schema(value_type = schema::TaskState)]
    pub state: health::TaskState,
    /// Since when.
    pub since: DateTime<Utc>,
    /// How often it was restarted.
    pub restarts: u64,
    /// Why it last failed.
    pub last_error: Option<String>,
}
