use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, JobId, WorkerId},
    job::{ErrorClass, Status},
    log::Level,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Progress, examples, schema};

/// Registration of a worker. A name has one live worker at a time. A worker that registers again (with the same `instance_id` and host;
/// without `instance_id`, with the same credential) keeps its id.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"name": "robot-01", "queues": ["invoices"], "slots": 2, "hostname": "robot-01", "labels": ["windows"]}))]
pub struct RegisterRequest {
    /// Unique name.
    #[schema(value_type = schema::GivenName)]
    pub name: String,
    /// Queues that it takes jobs from. `["*"]`, only for a worker that claims: every queue that its credential allows, including future
    /// ones.
    #[schema(value_type = Vec<schema::QueueOrEvery>, min_items = 1, max_items = 1000)]
    pub queues: Vec<String>,
    /// Maximum number of jobs that it runs at the same time, 1 to 10000.
    #[schema(minimum = 1, maximum = 10_000)]
    pub slots: u32,
    /// Version of the worker's program.
    #[serde(default)]
    #[schema(value_type = schema::ShortText)]
    pub version: String,
    /// Name of its host.
    #[serde(default)]
    #[schema(value_type = schema::ShortText)]
    pub hostname: String,
    /// Whether it consumes from RabbitMQ (true) or claims over HTTP (false).
    #[serde(default)]
    pub uses_broker: bool,
    /// Capabilities of the worker: it takes only jobs whose `requires` are all among them.
    #[serde(default)]
    #[schema(value_type = Vec<schema::Label>, max_items = 20)]
    pub labels: Vec<String>,
    /// Identifies this installation among workers of the same name: stable across restarts, used by one process at a time. Optional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<Uuid>,
    /// Process id on its host, for people. Optional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// The worker's id and the intervals that it must keep.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegisterResponse {
    /// Id of the worker, for `claim`, `start` and `heartbeat`.
    #[schema(value_type = Uuid)]
    pub worker_id: WorkerId,
    /// Seconds between heartbeats.
    pub heartbeat_interval_s: f64,
    /// Seconds after the last heartbeat when the leases of its jobs expire.
    pub lease_s: f64,
}

/// A job that a worker holds.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HeldJob {
    /// The job.
    #[schema(value_type = Uuid)]
    pub job_id: JobId,
    /// Token of its lease.
    pub lease_token: Uuid,
}

/// Heartbeat of a worker. It renews the leases of the jobs in it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::heartbeat)]
pub struct HeartbeatRequest {
    /// The worker.
    #[schema(value_type = Uuid)]
    pub worker_id: WorkerId,
    /// Jobs that it runs.
    #[serde(default)]
    pub jobs: Vec<HeldJob>,
    /// CPU usage of its host in percent, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 100)]
    pub cpu_percent: Option<f64>,
    /// Memory used on its host, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// What a worker must do with the jobs that it holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct HeartbeatResponse {
    /// Jobs whose lease it has lost: stop them and report nothing.
    #[schema(value_type = Vec<Uuid>)]
    pub stale: Vec<JobId>,
    /// Jobs whose cancellation was requested: stop them.
    #[schema(value_type = Vec<Uuid>)]
    pub cancel: Vec<JobId>,
    /// Jobs that are paused: their processes must be suspended. Every other job of the request runs.
    #[serde(default)]
    #[schema(value_type = Vec<Uuid>)]
    pub paused: Vec<JobId>,
    /// The worker is paused: it finishes its jobs and takes no new ones.
    #[serde(default)]
    pub drain: bool,
}

/// Requests jobs for a worker. The answer waits until there is one, for at most `wait_s` seconds.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::claim)]
pub struct ClaimRequest {
    /// Id of the worker, from `register`.
    #[schema(value_type = Uuid)]
    pub worker_id: WorkerId,
    /// Queues to take jobs from, in any order. `["*"]`: every queue that the worker's credential allows, including future ones.
    #[schema(value_type = Vec<schema::QueueOrEvery>, min_items = 1, max_items = 1000)]
    pub queues: Vec<String>,
    /// Maximum number of jobs to return, 0 to 1000 (default 1). A worker has one claim at a time: a new claim ends the previous one. With 0
    /// it returns only jobs that the previous claim was assigned.
    #[serde(default = "one")]
    #[schema(maximum = 1000)]
    pub max: u32,
    /// Seconds to wait for a job, 0 to 60 (default 0).
    #[serde(default)]
    #[schema(minimum = 0, maximum = 60)]
    pub wait_s: f64,
    /// Jobs that it already holds. A job that was assigned to it and is missing here was lost in transit, and is returned again.
    #[serde(default)]
    #[schema(value_type = Vec<Uuid>)]
    pub holding: Vec<JobId>,
}

const fn one() -> u32 {
    1
}

/// A job that was assigned to the claiming worker, with its lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobAssignment {
    /// The job.
    #[schema(value_type = Uuid)]
    pub job_id: JobId,
    /// Its automation.
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// Name of the automation.
    pub automation_name: String,
    /// Queue that it was dispatched through.
    pub queue_name: String,
    /// Path of the script or program.
    pub script_path: String,
    /// `PYTHON`, `SHELL` or `EXE`.
    #[schema(value_type = schema::EntrypointType)]
    pub entrypoint_type: String,
    /// Parameters that the robot receives.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// Time limit of the run in seconds; 0: no limit.
    pub timeout_s: u32,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Seconds that a canceled program has to stop before it is killed. Absent: the worker's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_grace_s: Option<u32>,
    /// Whether it needs a virtual display.
    #[serde(default)]
    pub display: bool,
    /// Maximum CPUs that it may use. Absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<f64>,
    /// Maximum memory that it may use, in bytes. Absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
    /// W3C trace context of the request for the job. The agent passes it to the program as `TRACEPARENT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Token of the lease.
    pub lease_token: Uuid,
    /// When the lease expires unless a heartbeat renews it.
    pub lease_expires_at: DateTime<Utc>,
}

/// Body of `start`; optional.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::start)]
pub struct StartRequest {
    /// Id of the worker. Absent: a worker that did not register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub worker_id: Option<WorkerId>,
}

/// The job is running, with its lease.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"message": "job started", "job_id": "019ac1f0-0000-7000-8000-000000000001", "status": "running", "lease_token": "019ac1f0-0000-7000-8000-000000000002", "lease_expires_at": "2026-11-26T08:30:30Z"}))]
pub struct StartResponse {
    /// Text for people.
    pub message: String,
    /// The job.
    #[schema(value_type = Uuid)]
    pub job_id: JobId,
    /// Always `running`.
    #[schema(value_type = schema::JobStatus)]
    pub status: Status,
    /// Token of the lease, for the header `X-Lease-Token`.
    pub lease_token: Uuid,
    /// When the lease expires unless a heartbeat renews it.
    pub lease_expires_at: DateTime<Utc>,
}

/// One log line from a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// `DEBUG`, `INFO`, `WARNING`, `WARN`, `ERROR` or `CRITICAL`. Absent: `INFO`.
    #[serde(default)]
    #[schema(value_type = schema::LogLevelGiven)]
    pub level: Level,
    /// Text of the line, at most 64 KiB.
    pub message: String,
    /// When it was written. Absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DateTime<Utc>>,
    /// Whether somebody should act on it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub actionable: bool,
}

pub(crate) fn is_false(flag: &bool) -> bool {
    !flag
}

/// Log lines: `entries`, or one line in `level`, `message`, `timestamp` and `actionable`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"level": "INFO", "message": "3 of 12 invoices downloaded"}))]
pub struct LogRequest {
    /// The lines, at most 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 10_000)]
    pub entries: Option<Vec<LogEntry>>,
    /// Number of lines that the worker sent before for this job. Lines that the hub already has are skipped, so that a batch can be
    /// repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_992i64)]
    pub offset: Option<i64>,
    /// Level of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::LogLevelGiven>)]
    pub level: Option<Level>,
    /// Text of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the line was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DateTime<Utc>>,
    /// Whether somebody should act on the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actionable: Option<bool>,
}

/// The lines are stored.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogResponse {
    /// Text for people.
    pub message: String,
    /// Number of the job's last line.
    pub log_id: i64,
}

/// End of a job.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::finish)]
pub struct FinishRequest {
    /// `completed`, `completed_no_invoices`, `failed` or `canceled`.
    #[schema(value_type = schema::JobEnd)]
    pub status: Status,
    /// Result of the robot: any JSON value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Class of the error. Absent: `error_class` of the result if it is a known class, else `ROBOT_ERROR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub error_class: Option<ErrorClass>,
    /// Why it failed, for people. Absent: `error` of the result, if present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The last log lines, stored before the end; at most 10000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 10_000)]
    pub entries: Vec<LogEntry>,
    /// Number of lines that the worker sent before for this job, as in `log`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_992i64)]
    pub offset: Option<i64>,
    /// Final progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// Answer to `finish` and `progress`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkerJobResponse {
    /// Text for people.
    pub message: String,
    /// The job.
    #[schema(value_type = Uuid)]
    pub job_id: JobId,
    /// Current status of the job.
    #[schema(value_type = schema::JobStatus)]
    pub status: Status,
}

/// Status of a job, for its worker.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct JobStatusResponse {
    /// Current status.
    #[schema(value_type = schema::JobStatus)]
    pub status: Status,
    /// Whether it has ended.
    pub terminal: bool,
    /// When a worker started it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// When the last heartbeat of its worker arrived.
    pub last_heartbeat_at: Option<DateTime<Utc>>,
    /// When its cancellation was requested.
    pub cancellation_requested_at: Option<DateTime<Utc>>,
    /// Number of attempts before this one.
    pub retry_count: i32,
}

/// Whether the job must stop. The request counts as a heartbeat.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CancellationResponse {
    /// Whether the cancellation of the job was requested.
    pub cancellation_requested: bool,
}
