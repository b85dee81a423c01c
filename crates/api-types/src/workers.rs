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

/// A robot host that registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::worker)]
pub struct Worker {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: WorkerId,
    /// Unique name.
    pub name: String,
    /// `running`, `paused` (ends what it has, takes nothing new), `stopped` (said goodbye) or `lost` (not heard of).
    #[schema(value_type = schema::WorkerState)]
    pub state: State,
    /// Queues it takes jobs from.
    pub queues: Vec<String>,
    /// What it can do, as words.
    pub labels: Vec<String>,
    /// Jobs it runs at once.
    pub slots: i32,
    /// Jobs it runs, as it said last.
    pub running_jobs: i32,
    /// Version of its program.
    pub version: String,
    /// Its host.
    pub hostname: String,
    /// Takes messages from RabbitMQ; claims over HTTP otherwise.
    pub uses_broker: bool,
    /// How busy its host's processors are, 0 to 100.
    pub cpu_percent: Option<f64>,
    /// Memory in use on its host, in bytes.
    pub memory_bytes: Option<i64>,
    /// What tells its process from another of its name; absent: it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<Uuid>,
    /// Its process on its host; absent: it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i64>,
    /// When it first registered. A worker that got the name of one that is gone has its own time, and its own id.
    pub registered_at: DateTime<Utc>,
    /// When it was last heard of.
    pub last_heartbeat_at: DateTime<Utc>,
    /// When somebody paused it. Stays until somebody resumes it, also when the worker stops and starts again.
    pub paused_at: Option<DateTime<Utc>>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// When it said goodbye.
    pub stopped_at: Option<DateTime<Utc>>,
}

/// A worker with the jobs it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerDetail {
    /// The worker.
    #[serde(flatten)]
    pub worker: Worker,
    /// The jobs it holds by the hub's books, oldest first.
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
    /// When its worker counts as lost, unless it is heard of.
    pub lease_expires_at: Option<DateTime<Utc>>,
}

/// Query of the list of workers, in the order in which they first registered.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WorkerFilter {
    /// Only those in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::WorkerState>)]
    pub state: Option<String>,
    /// Only those that take jobs from this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub queue: Option<String>,
    /// Only those with this label.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub label: Option<String>,
    /// Most items of the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the page before. The header `Link` of that page has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<WorkerId>,
}

/// A worker stops in order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::goodbye)]
pub struct GoodbyeRequest {
    /// The worker.
    #[schema(value_type = Uuid)]
    pub worker_id: WorkerId,
}

/// Makes a token for a worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::worker_token_create)]
pub struct WorkerTokenCreate {
    /// For people: what or whom it is for.
    #[schema(value_type = schema::GivenName)]
    pub name: String,
    /// The only worker that may use it; absent: any.
    #[serde(default)]
    #[schema(value_type = Option<schema::GivenName>)]
    pub worker_name: Option<String>,
    /// The only queues that its bearer may take jobs from; absent: any.
    #[serde(default)]
    #[schema(value_type = Option<Vec<schema::QueueName>>, min_items = 1, max_items = 1000)]
    pub queues: Option<Vec<String>>,
    /// It is not accepted from then on; absent: until it is revoked.
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
}

/// A worker's token, without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerToken {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: TokenId,
    /// For people.
    pub name: String,
    /// The only worker that may use it; null: any.
    pub worker_name: Option<String>,
    /// The only queues that its bearer may take jobs from; null: any.
    pub queues: Option<Vec<String>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: String,
    /// It is not accepted from then on.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Who revoked it.
    #[serde(default)]
    pub revoked_by: Option<String>,
    /// When it was last shown, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A token that was made just now.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct WorkerTokenCreated {
    /// The token itself, for `X-Worker-API-Key` or as bearer token on worker routes. It is told this once: only its hash is kept.
    pub token: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub kept: WorkerToken,
}

/// Query of the list of worker tokens, in the order in which they were made.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WorkerTokenFilter {
    /// Most items of the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the page before. The header `Link` of that page has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<TokenId>,
}
