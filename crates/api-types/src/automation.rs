use chrono::{DateTime, Utc};
use domain::{
    automation::{EntrypointType, QueueProfile},
    ids::AutomationId,
    policy::{OnWorkerLost, Overlap, RateLimit},
    retry::RetryPolicy,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{examples, schema};

/// A registered piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::automation)]
pub struct Automation {
    /// Id.
    #[schema(value_type = i32)]
    pub id: AutomationId,
    /// Unique among the automations that are not archived.
    pub name: String,
    /// For people.
    pub description: String,
    /// Queue its jobs wait in.
    pub queue_name: String,
    /// How the hub declares the queue: `regente`, `maestro` or `plain`; null: it does not, and jobs wait until a robot or worker has declared it.
    #[schema(value_type = Option<schema::QueueProfile>)]
    pub queue_profile: Option<QueueProfile>,
    /// `PYTHON`, `SHELL` or `EXE`.
    #[schema(value_type = schema::EntrypointType)]
    pub entrypoint_type: EntrypointType,
    /// Path of the script or program on the worker.
    pub script_path: String,
    /// JSON Schema of the parameters; null: any object.
    pub parameter_schema: Option<Value>,
    /// Used for parameters that `execute` does not give.
    #[schema(value_type = Object)]
    pub default_params: Map<String, Value>,
    /// Seconds after which a job's process tree is killed; null: no limit.
    pub timeout_s: Option<i64>,
    /// Most jobs of it that run at once; null: no limit.
    pub max_concurrency: Option<i64>,
    /// Priority of its jobs, 0 to 9; higher goes first.
    pub priority: i32,
    /// When a failed job is run again.
    #[schema(value_type = schema::RetryPolicy)]
    pub retry_policy: RetryPolicy,
    /// Seconds that a job may wait for its start before it fails as `QUEUE_TIMEOUT`; null: any time.
    pub queue_timeout_s: Option<i64>,
    /// Seconds between asking a job's program to stop and killing it; null: the worker's own setting.
    pub cancel_grace_s: Option<i64>,
    /// Template of the key by which jobs, also of other automations, share a limit; `{name}` stands for a parameter. Null: none.
    pub concurrency_key: Option<String>,
    /// Most jobs with one key at once.
    pub concurrency_key_limit: i64,
    /// Most starts in a time: `{max, per_s}`; null: no limit.
    #[schema(value_type = Option<schema::RateLimit>)]
    pub rate_limit: Option<RateLimit>,
    /// What a request does while another job of it (with the same concurrency key) waits or runs: `queue`, `skip`, `replace` or `coalesce`.
    #[schema(value_type = schema::Overlap)]
    pub overlap: Overlap,
    /// What happens to a job whose worker was lost: `retry` or `fail`; null: the retry policy decides.
    #[schema(value_type = Option<schema::OnWorkerLost>)]
    pub on_worker_lost: Option<OnWorkerLost>,
    /// Labels that a worker must have to run its jobs.
    pub requires: Vec<String>,
    /// Its programs need a virtual display.
    pub display: bool,
    /// Processors that a program may use; null: no limit.
    pub cpu_limit: Option<f64>,
    /// Bytes of memory that a program may use; null: no limit.
    pub memory_limit_bytes: Option<i64>,
    /// Since when its jobs do not start; null: they do.
    pub paused_at: Option<DateTime<Utc>>,
    /// When the pause ends by itself.
    pub paused_until: Option<DateTime<Utc>>,
    /// Why it is paused.
    pub paused_reason: Option<String>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// Set when it was archived: it is kept with its jobs, and takes no more.
    pub archived_at: Option<DateTime<Utc>>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who changed it last, or registered it; null: done before that was kept.
    #[serde(default)]
    pub updated_by: Option<String>,
    /// What has not taken effect, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Registers an automation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::automation_create)]
pub struct AutomationCreate {
    /// Unique among the automations that are not archived.
    #[schema(value_type = schema::GivenName)]
    pub name: String,
    /// For people.
    #[serde(default)]
    #[schema(pattern = r"^[^\u0000]*$")]
    pub description: Option<String>,
    /// Queue; made from the name when absent.
    #[serde(default, alias = "queueName")]
    #[schema(value_type = Option<schema::QueueName>)]
    pub queue_name: Option<String>,
    /// How the hub declares the queue, at once: `regente`, `maestro` or `plain`. Absent: the hub's setting `dispatch.queue_profile`, or else as
    /// whoever consumes it does; jobs wait until then.
    #[serde(default, alias = "queueProfile")]
    #[schema(value_type = Option<schema::QueueProfile>)]
    pub queue_profile: Option<QueueProfile>,
    /// `PYTHON` (default), `SHELL` or `EXE`.
    #[serde(default, alias = "entrypointType")]
    #[schema(value_type = Option<schema::EntrypointType>)]
    pub entrypoint_type: Option<EntrypointType>,
    /// Path of the script or program on the worker.
    #[serde(default, alias = "scriptPath")]
    #[schema(value_type = schema::ScriptPath)]
    pub script_path: String,
    /// JSON Schema, or a list of fields `[{name,label,type,placeholder,…}]`, which is converted. A field of an unknown type is taken as text,
    /// and its property has the type as `x-field-type`.
    #[serde(default, alias = "parameterSchema")]
    #[schema(value_type = Option<schema::ParameterSchema>)]
    pub parameter_schema: Option<Value>,
    /// Used for parameters that `execute` does not give.
    #[serde(default, alias = "defaultParams")]
    #[schema(value_type = Option<Object>)]
    pub default_params: Option<Map<String, Value>>,
    /// Seconds after which a job's process tree is killed.
    #[serde(default, alias = "timeoutS")]
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub timeout_s: Option<i64>,
    /// Most jobs of it that run at once.
    #[serde(default, alias = "maxConcurrency")]
    #[schema(minimum = 1, maximum = 100_000)]
    pub max_concurrency: Option<i64>,
    /// Priority of its jobs, 0 to 9 (default 5).
    #[serde(default)]
    #[schema(minimum = 0, maximum = 9)]
    pub priority: Option<i32>,
    /// When a failed job is run again; absent: never.
    #[serde(default, alias = "retryPolicy")]
    #[schema(value_type = Option<schema::RetryPolicy>)]
    pub retry_policy: Option<RetryPolicy>,
    /// Seconds that a job may wait for its start before it fails as `QUEUE_TIMEOUT`, 1 to 2592000.
    #[serde(default, alias = "queueTimeoutS")]
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub queue_timeout_s: Option<i64>,
    /// Seconds between asking a job's program to stop and killing it, 0 to 3600.
    #[serde(default, alias = "cancelGraceS")]
    #[schema(minimum = 0, maximum = 3600)]
    pub cancel_grace_s: Option<i64>,
    /// Template such as `portal-sefaz:{cnpj}`: jobs with the same key, also of other automations, share a limit. `{name}` or `{a.b}` stands
    /// for a parameter, `{{` and `}}` for the braces.
    #[serde(default, alias = "concurrencyKey")]
    #[schema(value_type = Option<schema::ConcurrencyKey>)]
    pub concurrency_key: Option<String>,
    /// Most jobs with one key at once, 1 to 10000 (default 1).
    #[serde(default, alias = "concurrencyKeyLimit")]
    #[schema(minimum = 1, maximum = 10_000)]
    pub concurrency_key_limit: Option<i64>,
    /// At most `max` starts in any `per_s` seconds: `{max, per_s}`.
    #[serde(default, alias = "rateLimit")]
    #[schema(value_type = Option<schema::RateLimit>)]
    pub rate_limit: Option<RateLimit>,
    /// What a request does while another job of it (with the same concurrency key) waits or runs: `queue` (default), `skip`, `replace` or
    /// `coalesce`.
    #[serde(default)]
    #[schema(value_type = Option<schema::Overlap>)]
    pub overlap: Option<Overlap>,
    /// What happens to a job whose worker was lost: `retry` or `fail`; absent: the retry policy decides.
    #[serde(default, alias = "onWorkerLost")]
    #[schema(value_type = Option<schema::OnWorkerLost>)]
    pub on_worker_lost: Option<OnWorkerLost>,
    /// Labels that a worker must have to run its jobs, at most 20.
    #[serde(default)]
    #[schema(value_type = Option<Vec<schema::Label>>, max_items = 20)]
    pub requires: Option<Vec<String>>,
    /// Its programs need a virtual display.
    #[serde(default)]
    pub display: Option<bool>,
    /// Processors that a program may use, 0.01 to 1024.
    #[serde(default, alias = "cpuLimit")]
    #[schema(minimum = 0.01, maximum = 1024)]
    pub cpu_limit: Option<f64>,
    /// Bytes of memory that a program may use, at least 1048576.
    #[serde(default, alias = "memoryLimitBytes")]
    #[schema(minimum = 1_048_576, maximum = 9_007_199_254_740_992i64)]
    pub memory_limit_bytes: Option<i64>,
}

/// Query of the list of automations.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AutomationFilter {
    /// Most items of the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last automation of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i32>)]
    pub after: Option<AutomationId>,
    /// Also archived ones.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
}

/// Changes an automation: fields that are absent stay as they are, null clears a field that may be empty. What `GET` gives can be sent back:
/// the fields of an [`Automation`] that have requests of their own, or none, may be there as they are. With an `updated_at` that is no longer
/// the automation's the answer is 409.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::automation_update)]
pub struct AutomationUpdate {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::GivenName>)]
    pub name: Option<String>,
    /// New description.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^[^\u0000]*$")]
    pub description: Option<String>,
    /// New queue, for jobs made from now on.
    #[serde(alias = "queueName", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::QueueName>)]
    pub queue_name: Option<String>,
    /// New queue profile, or null for what whoever consumes it declares. It takes effect when the queue is empty and nobody consumes it;
    /// until then `warnings` of the answer says so.
    #[serde(alias = "queueProfile", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::QueueProfile>)]
    pub queue_profile: Option<Option<QueueProfile>>,
    /// New entry point type.
    #[serde(alias = "entrypointType", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::EntrypointType>)]
    pub entrypoint_type: Option<EntrypointType>,
    /// New path.
    #[serde(alias = "scriptPath", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ScriptPath>)]
    pub script_path: Option<String>,
    /// New schema, or null for none.
    #[serde(alias = "parameterSchema", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ParameterSchema>)]
    pub parameter_schema: Option<Option<Value>>,
    /// New default parameters.
    #[serde(alias = "defaultParams", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub default_params: Option<Map<String, Value>>,
    /// New time-out, or null for none.
    #[serde(alias = "timeoutS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 2_592_000)]
    pub timeout_s: Option<Option<i64>>,
    /// New limit, or null for none.
    #[serde(alias = "maxConcurrency", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 100_000)]
    pub max_concurrency: Option<Option<i64>>,
    /// New priority, for jobs made from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9)]
    pub priority: Option<i32>,
    /// New retry policy.
    #[serde(alias = "retryPolicy", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::RetryPolicy>)]
    pub retry_policy: Option<RetryPolicy>,
    /// New limit of waiting, or null for none.
    #[serde(alias = "queueTimeoutS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 2_592_000)]
    pub queue_timeout_s: Option<Option<i64>>,
    /// New time between asking and killing, or null for the worker's own.
    #[serde(alias = "cancelGraceS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 3600)]
    pub cancel_grace_s: Option<Option<i64>>,
    /// New template, or null for none; for jobs made from now on.
    #[serde(alias = "concurrencyKey", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ConcurrencyKey>)]
    pub concurrency_key: Option<Option<String>>,
    /// New limit of a key.
    #[serde(alias = "concurrencyKeyLimit", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10_000)]
    pub concurrency_key_limit: Option<i64>,
    /// New limit of starts, or null for none.
    #[serde(alias = "rateLimit", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::RateLimit>)]
    pub rate_limit: Option<Option<RateLimit>>,
    /// New rule for requests while another job waits or runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Overlap>)]
    pub overlap: Option<Overlap>,
    /// New rule for lost workers, or null to let the retry policy decide.
    #[serde(alias = "onWorkerLost", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::OnWorkerLost>)]
    pub on_worker_lost: Option<Option<OnWorkerLost>>,
    /// New labels that a worker must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<schema::Label>>, max_items = 20)]
    pub requires: Option<Vec<String>>,
    /// Whether its programs need a virtual display.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<bool>,
    /// New limit of processors, or null for none.
    #[serde(alias = "cpuLimit", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, minimum = 0.01, maximum = 1024)]
    pub cpu_limit: Option<Option<f64>>,
    /// New limit of memory, or null for none.
    #[serde(alias = "memoryLimitBytes", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1_048_576, maximum = 9_007_199_254_740_992i64)]
    pub memory_limit_bytes: Option<Option<i64>>,
    /// As it is.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub id: Option<Value>,
    /// As it is.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub paused_at: Option<Value>,
    /// As it is.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub paused_until: Option<Value>,
    /// As it is.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub paused_reason: Option<Value>,
    /// As it is.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub paused_by: Option<Value>,
    /// As it is.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub archived_at: Option<Value>,
    /// As it is.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub created_at: Option<Value>,
    /// As it is.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub updated_at: Option<Value>,
    /// As it is.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub updated_by: Option<Value>,
    /// Not looked at: it may be other by now.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub warnings: Option<Value>,
}

impl AutomationUpdate {
    /// The fields that are not changed by this, with what was sent.
    #[must_use]
    pub fn unchanged(&self) -> [(&'static str, Option<&Value>); 9] {
        [
            ("id", self.id.as_ref()),
            ("paused_at", self.paused_at.as_ref()),
            ("paused_until", self.paused_until.as_ref()),
            ("paused_reason", self.paused_reason.as_ref()),
            ("paused_by", self.paused_by.as_ref()),
            ("archived_at", self.archived_at.as_ref()),
            ("created_at", self.created_at.as_ref()),
            ("updated_at", self.updated_at.as_ref()),
            ("updated_by", self.updated_by.as_ref()),
        ]
    }
}

/// What a registration says, as a change to an automation of which nothing is said yet.
impl From<AutomationCreate> for AutomationUpdate {
    fn from(create: AutomationCreate) -> Self {
        Self {
            name: Some(create.name),
            description: create.description,
            queue_name: create.queue_name,
            queue_profile: create.queue_profile.map(Some),
            entrypoint_type: create.entrypoint_type,
            script_path: Some(create.script_path),
            parameter_schema: Some(create.parameter_schema),
            default_params: create.default_params,
            timeout_s: Some(create.timeout_s),
            max_concurrency: Some(create.max_concurrency),
            priority: create.priority,
            retry_policy: create.retry_policy,
            queue_timeout_s: Some(create.queue_timeout_s),
            cancel_grace_s: Some(create.cancel_grace_s),
            concurrency_key: Some(create.concurrency_key),
            concurrency_key_limit: create.concurrency_key_limit,
            rate_limit: Some(create.rate_limit),
            overlap: create.overlap,
            on_worker_lost: Some(create.on_worker_lost),
            requires: create.requires,
            display: create.display,
            cpu_limit: Some(create.cpu_limit),
            memory_limit_bytes: Some(create.memory_limit_bytes),
            ..Self::default()
        }
    }
}

/// Keeps a null that is there.
fn given<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(input).map(Some)
}

/// Tells a field that is null (`Some(None)`) from one that is absent (`None`).
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(input).map(Some)
}
