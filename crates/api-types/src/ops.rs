use chrono::{DateTime, Utc};
use domain::{health, ids::ReplicaId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::schema;

/// Status of the hub, its workers and its queues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OpsStatus {
    /// Version of the hub.
    pub version: String,
    /// Seconds since the answering replica started.
    pub uptime_s: u64,
    /// When this was read; an answer is at most 1 s old.
    pub now: DateTime<Utc>,
    /// The database.
    #[schema(value_type = schema::DatabaseHealth)]
    pub database: health::Database,
    /// State of the broker.
    pub broker: BrokerStatus,
    /// Number of workers by state.
    pub workers: WorkerCounts,
    /// Queues by name: those with pending or running jobs, and those of automations.
    pub queues: Vec<QueueStatus>,
    /// Jobs that a worker runs.
    pub running: u64,
    /// Jobs that have not started.
    pub pending: u64,
    /// Jobs that failed in the last hour.
    pub failed_last_hour: u64,
    /// Jobs that completed in the last hour.
    pub completed_last_hour: u64,
    /// Age of the oldest pending job, in seconds; null: none is pending.
    pub oldest_pending_s: Option<f64>,
    /// Worker requests that the answering replica has refused since its start because the key or token was missing or wrong.
    #[serde(default)]
    pub refused_keys: u64,
    /// Hub processes that are alive.
    pub replicas: Vec<ReplicaStatus>,
}

/// State of the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrokerStatus {
    /// Whether the settings name a broker.
    pub configured: bool,
    /// Whether the answering replica is connected to it.
    pub connected: bool,
}

/// Number of workers by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerCounts {
    /// Alive; take jobs.
    pub running: u64,
    /// Alive; finish their jobs and take no new ones.
    pub paused: u64,
    /// Signed off.
    pub stopped: u64,
    /// Sent no heartbeat in time.
    pub lost: u64,
}

/// State of a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueueStatus {
    /// Name.
    pub name: String,
    /// Pending jobs that are not dispatched.
    pub waiting: u64,
    /// Pending jobs that are dispatched: their message is at the broker or on its way.
    pub dispatched: u64,
    /// Jobs that a worker runs.
    pub running: u64,
    /// Age of the oldest pending job, in seconds; null: none is pending.
    pub oldest_waiting_s: Option<f64>,
    /// Messages ready in the broker's queue; null: unknown.
    pub depth: Option<u32>,
}

/// A hub process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplicaStatus {
    /// Id; new at each start.
    #[schema(value_type = Uuid)]
    pub id: ReplicaId,
    /// Version of its program.
    pub version: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When its last heartbeat was written.
    pub last_seen_at: DateTime<Utc>,
    /// Services that it runs; empty: a version that always runs all.
    pub services: Vec<String>,
}

/// State of a reconciler: a periodic task that repairs what went wrong. One replica runs it at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReconcilerStatus {
    /// Name.
    pub name: String,
    /// Seconds between runs.
    pub interval_s: f64,
    /// Whether a replica runs it now.
    pub running: bool,
    /// The replica that runs it.
    #[schema(value_type = Option<Uuid>)]
    pub holder: Option<ReplicaId>,
    /// When the last run started.
    pub last_started_at: Option<DateTime<Utc>>,
    /// When the last run ended.
    pub last_finished_at: Option<DateTime<Utc>>,
    /// Duration of the last run in milliseconds.
    pub last_duration_ms: Option<i64>,
    /// What the last run did, as counts; null when it failed.
    pub last_outcome: Option<Value>,
    /// Why the last run failed; null when it did not.
    pub last_error: Option<String>,
    /// Number of runs that ended.
    pub runs: i64,
}

/// A named background task of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskStatus {
    /// Its name, such as `orchestrator.writer`.
    pub name: String,
    /// State of the task.
    #[schema(value_type = schema::TaskState)]
    pub state: health::TaskState,
    /// When it entered that state.
    pub since: DateTime<Utc>,
    /// Number of restarts.
    pub restarts: u64,
    /// Why it last failed.
    pub last_error: Option<String>,
}
