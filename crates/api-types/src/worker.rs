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

/// A worker says who it is. A name has one live worker at a time. Sent again by the same worker (the same `instance_id` on the same host, or
/// without one the same credential), it keeps its id.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"name": "robot-01", "queues": ["invoices"], "slots": 2, "hostname": "robot-01", "labels": ["windows"]}))]
pub struct RegisterRequest {
    /// Unique name.
    #[schema(value_type = schema::GivenName)]
    pub name: String,
    /// Queues it takes jobs from; `["*"]` for a worker that claims: every queue that its credential opens, also those made later.
    #[schema(value_type = Vec<schema::QueueOrEvery>, min_items = 1, max_items = 1000)]
    pub queues: Vec<String>,
    /// Jobs it runs at once, 1 to 10000.
    #[schema(minimum = 1, maximum = 10_000)]
    pub slots: u32,
    /// Version of its program.
    #[serde(default)]
    #[schema(value_type = schema::ShortText)]
    pub version: String,
    /// Its host.
    #[serde(default)]
    #[schema(value_type = schema::ShortText)]
    pub hostname: String,
    /// Takes messages from RabbitMQ (true) or claims over HTTP (false).
    #[serde(default)]
    pub uses_broker: bool,
    /// What it can do, as words: it takes only jobs whose `requires` are all among them.
    #[serde(default)]
    #[schema(value_type = Vec<schema::Label>, max_items = 20)]
    pub labels: Vec<String>,
    /// What tells this worker from another of its name: kept through restarts, one process has it at a time. Optional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<Uuid>,
    /// Its process on its host, for people. Optional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// What the hub tells a worker.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegisterResponse {
    /// Its id, for `claim`, `start` and `heartbeat`.
    #[schema(value_type = Uuid)]
    pub worker_id: WorkerId,
    /// Seconds between heartbeats.
    pub heartbeat_interval_s: f64,
    /// Seconds after the last heartbeat at which its jobs count as lost.
    pub lease_s: f64,
}

/// One job that a worker holds.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HeldJob {
    /// The job.
    #[schema(value_type = Uuid)]
    pub job_id: JobId,
    /// Token of its lease.
    pub lease_token: Uuid,
}

/// A worker is alive and holds these jobs: their leases are prolonged.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::heartbeat)]
pub struct HeartbeatRequest {
    /// The worker.
    #[schema(value_type = Uuid)]
    pub worker_id: WorkerId,
    /// What it runs.
    #[serde(default)]
    pub jobs: Vec<HeldJob>,
    /// How busy its host's processors are, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 100)]
    pub cpu_percent: Option<f64>,
    /// Memory in use on its host, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// What a worker must know about the jobs it holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct HeartbeatResponse {
    /// Jobs whose lease it has lost: stop them, report nothing.
    #[schema(value_type = Vec<Uuid>)]
    pub stale: Vec<JobId>,
    /// Jobs that somebody asked to stop.
    #[schema(value_type = Vec<Uuid>)]
    pub cancel: Vec<JobId>,
    /// Jobs that are paused: their processes stand still. Every other job of the request runs.
    #[serde(default)]
    #[schema(value_type = Vec<Uuid>)]
    pub paused: Vec<JobId>,
    /// The worker is paused: it ends what it has and takes nothing new.
    #[serde(default)]
    pub drain: bool,
}

/// A worker asks for jobs; the answer waits until there is one, or `wait_s` have passed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::claim)]
pub struct ClaimRequest {
    /// The worker, from `register`.
    #[schema(value_type = Uuid)]
    pub worker_id: WorkerId,
    /// Queues, the order has no meaning; `["*"]`: every queue that the worker's credential opens, also those made later.
    #[schema(value_type = Vec<schema::QueueOrEvery>, min_items = 1, max_items = 1000)]
    pub queues: Vec<String>,
    /// Most jobs it takes now, 0 to 1000 (default 1). A worker has one claim: a new one ends its earlier one, and with 0 it gets nothing but
    /// what that one was given.
    #[serde(default = "one")]
    #[schema(maximum = 1000)]
    pub max: u32,
    /// Seconds to wait for a job, 0 to 60 (default 0).
    #[serde(default)]
    #[schema(minimum = 0, maximum = 60)]
    pub wait_s: f64,
    /// Jobs it holds already. What the hub gave it and is not here got lost on the way, and is given again.
    #[serde(default)]
    #[schema(value_type = Vec<Uuid>)]
    pub holding: Vec<JobId>,
}

const fn one() -> u32 {
    1
}

/// A job that now runs on the worker that claimed it, under a lease.
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
    /// Queue it waited in.
    pub queue_name: String,
    /// Path of the script or program.
    pub script_path: String,
    /// `PYTHON`, `SHELL` or `EXE`.
    #[schema(value_type = schema::EntrypointType)]
    pub entrypoint_type: String,
    /// What the robot gets.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// Seconds after which it is killed; 0: no limit.
    pub timeout_s: u32,
    /// 1 for a first run.
    pub attempt: u32,
    /// Seconds between asking the program to stop and killing it; absent: the worker's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_grace_s: Option<u32>,
    /// It needs a virtual display.
    #[serde(default)]
    pub display: bool,
    /// Processors it may use; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<f64>,
    /// Memory it may use, in bytes; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
    /// Token of the lease.
    pub lease_token: Uuid,
    /// When the lease ends unless a heartbeat prolongs it.
    pub lease_expires_at: DateTime<Utc>,
}

/// Body of `start`; may be absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::start)]
pub struct StartRequest {
    /// The registered worker; absent for a foreign one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub worker_id: Option<WorkerId>,
}

/// The job runs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"message": "job started", "job_id": "019ac1f0-0000-7000-8000-000000000001", "status": "running", "lease_token": "019ac1f0-0000-7000-8000-000000000002", "lease_expires_at": "2026-11-26T08:30:30Z"}))]
pub struct StartResponse {
    /// For people.
    pub message: String,
    /// The job.
    #[schema(value_type = Uuid)]
    pub job_id: JobId,
    /// `running`.
    #[schema(value_type = schema::JobStatus)]
    pub status: Status,
    /// Token of the lease, for the header `X-Lease-Token`.
    pub lease_token: Uuid,
    /// When the lease ends unless it is prolonged.
    pub lease_expires_at: DateTime<Utc>,
}

/// One log line from a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// `DEBUG`, `INFO`, `WARNING`, `WARN`, `ERROR` or `CRITICAL`; absent: `INFO`.
    #[serde(default)]
    #[schema(value_type = schema::LogLevelGiven)]
    pub level: Level,
    /// The line, at most 64 KiB.
    pub message: String,
    /// When it was written; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DateTime<Utc>>,
    /// Somebody should do something about it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub actionable: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Log lines: one, or `entries`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"level": "INFO", "message": "3 of 12 invoices downloaded"}))]
pub struct LogRequest {
    /// Lines; at most 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 10_000)]
    pub entries: Option<Vec<LogEntry>>,
    /// How many lines this worker sent for this job before. Lines that the hub has are passed over, so that a batch can be sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_992i64)]
    pub offset: Option<i64>,
    /// Level of the one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::LogLevelGiven>)]
    pub level: Option<Level>,
    /// The one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the one line was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DateTime<Utc>>,
    /// Somebody should do something about the one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actionable: Option<bool>,
}

/// The lines are stored.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogResponse {
    /// For people.
    pub message: String,
    /// Number of the job's last line.
    pub log_id: i64,
}

/// The job has ended.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::finish)]
pub struct FinishRequest {
    /// `completed`, `completed_no_invoices`, `failed` or `canceled`.
    #[schema(value_type = schema::JobEnd)]
    pub status: Status,
    /// What the robot gives back: any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why it failed; absent: `error_class` of the result, when it is a class, else `ROBOT_ERROR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub error_class: Option<ErrorClass>,
    /// Why it failed, in words; absent: `error` of the result, when it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The last log lines, stored before the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 10_000)]
    pub entries: Vec<LogEntry>,
    /// As in `log`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_992i64)]
    pub offset: Option<i64>,
    /// The last progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// What `finish` and `progress` answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkerJobResponse {
    /// For people.
    pub message: String,
    /// The job.
    #[schema(value_type = Uuid)]
    pub job_id: JobId,
    /// Its status now.
    #[schema(value_type = schema::JobStatus)]
    pub status: Status,
}

/// How a job stands, for its worker.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct JobStatusResponse {
    /// Its status.
    #[schema(value_type = schema::JobStatus)]
    pub status: Status,
    /// It has ended.
    pub terminal: bool,
    /// When a worker started it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// When its worker was last heard of.
    pub last_heartbeat_at: Option<DateTime<Utc>>,
    /// When somebody asked to stop it.
    pub cancellation_requested_at: Option<DateTime<Utc>>,
    /// Attempts before this one.
    pub retry_count: i32,
}

/// Whether somebody asked to stop the job. Asking counts as a heartbeat.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CancellationResponse {
    /// Stop.
    pub cancellation_requested: bool,
}
