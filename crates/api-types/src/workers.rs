use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, JobId, TokenId, WorkerId},
    job::Status,
    worker::State,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{examples, schema};

/// A registered worker: the agent on a robot's host, or any program that speaks the worker API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::worker)]
pub struct Worker {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: WorkerId,
    /// Unique name.
    pub name: String,
    /// `running`, `paused` (finishes its jobs, takes no new ones), `stopped` (signed off) or `lost` (sent no heartbeat in time).
    #[schema(value_type = schema::WorkerState)]
    pub state: State,
    /// Queues that it takes jobs from.
    pub queues: Vec<String>,
    /// Capabilities that jobs can require.
    pub labels: Vec<String>,
    /// Maximum number of jobs that it runs at the same time.
    pub slots: i32,
    /// Jobs that it runs, by its last heartbeat.
    pub running_jobs: i32,
    /// Version of the worker's program.
    pub version: String,
    /// Name of its host.
    pub hostname: String,
    /// Whether it consumes from RabbitMQ (true) or claims over HTTP (false).
    pub uses_broker: bool,
    /// CPU usage of its host in percent, 0 to 100.
    pub cpu_percent: Option<f64>,
    /// Memory used on its host, in bytes.
    pub memory_bytes: Option<i64>,
    /// Identifies its installation among workers of the same name. Absent: it sent none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<Uuid>,
    /// Process id on its host. Absent: it sent none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i64>,
    /// When it first registered. A worker that takes over the name of another has an id and a time of its own.
    pub registered_at: DateTime<Utc>,
    /// When its last heartbeat arrived.
    pub last_heartbeat_at: DateTime<Utc>,
    /// When it was paused. It stays paused until somebody resumes it, across restarts of the worker. Null: not paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// When it signed off.
    pub stopped_at: Option<DateTime<Utc>>,
}

/// A worker with the jobs it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerDetail {
    /// The worker.
    #[serde(flatten)]
    pub worker: Worker,
    /// Jobs that it holds according to the hub, oldest first.
    pub jobs: Vec<WorkerHeldJob>,
}

/// A job that a worker holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerHeldJob {
    /// The job.
    #[schema(value_type = Uuid)]
    pub job_id: JobId,
    /// Its automation.
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// Its queue.
    pub queue_name: String,
    /// `running` or `paused`.
    #[schema(value_type = schema::JobStatus)]
    pub status: Status,
    /// When it was started.
    pub started_at: Option<DateTime<Utc>>,
    /// When the lease expires unless a heartbeat renews it. The worker then counts as lost.
    pub lease_expires_at: Option<DateTime<Utc>>,
}

/// Query of the list of workers, in order of registration.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WorkerFilter {
    /// Only workers in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::WorkerState>)]
    pub state: Option<String>,
    /// Only workers that take jobs from this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub queue: Option<String>,
    /// Only workers with this label.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub label: Option<String>,
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<WorkerId>,
}

/// Signs a worker off.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::goodbye)]
pub struct GoodbyeRequest {
    /// The worker.
    #[schema(value_type = Uuid)]
    pub worker_id: WorkerId,
}

/// A new worker token.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::worker_token_create)]
pub struct WorkerTokenCreate {
    /// What or whom the token is for.
    #[schema(value_type = schema::GivenName)]
    pub name: String,
    /// The only worker that may use it. Absent: any worker.
    #[serde(default)]
    #[schema(value_type = Option<schema::GivenName>)]
    pub worker_name: Option<String>,
    /// The only queues that its bearer may take jobs from. Absent: every queue.
    #[serde(default)]
    #[schema(value_type = Option<Vec<schema::QueueName>>, min_items = 1, max_items = 1000)]
    pub queues: Option<Vec<String>>,
    /// When it expires. Absent: it is valid until it is revoked.
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
}

/// A worker token, without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerToken {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: TokenId,
    /// What or whom the token is for.
    pub name: String,
    /// The only worker that may use it; null: any worker.
    pub worker_name: Option<String>,
    /// The only queues that its bearer may take jobs from; null: every queue.
    pub queues: Option<Vec<String>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Who created it.
    pub created_by: String,
    /// When it expires; null: it is valid until it is revoked.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Who revoked it.
    #[serde(default)]
    pub revoked_by: Option<String>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A new worker token with its secret.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct WorkerTokenCreated {
    /// The token, for `X-Worker-API-Key` or as bearer token on worker routes. Shown only in this answer: the hub stores its hash.
    pub token: String,
    /// The token as it is listed.
    #[serde(flatten)]
    pub kept: WorkerToken,
}

/// Query of the list of worker tokens, in order of creation.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WorkerTokenFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<TokenId>,
}
