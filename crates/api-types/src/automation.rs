mod archived;

use chrono::{DateTime, Utc};
use domain::{
    automation::{EntrypointType, QueueProfile},
    ids::{AutomationId, DomainId},
    policy::{OnWorkerLost, Overlap, RateLimit},
    retry::RetryPolicy,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

pub use self::archived::{AutomationArchived, DependentChain, DependentHook, DependentSchedule};
use crate::{examples, schema};

/// A registered piece of work: which program to run, where, and under which limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::automation)]
pub struct Automation {
    /// Id of the automation.
    #[schema(value_type = i32)]
    pub id: AutomationId,
    /// Name; unique among automations that are not archived.
    pub name: String,
    /// Free text for people.
    pub description: String,
    /// Queue that its jobs are dispatched through.
    pub queue_name: String,
    /// Profile with which the hub declares the queue: `regente`, `maestro` or `plain`. Null: the hub declares nothing, and jobs stay
    /// pending until a worker has declared the queue.
    #[schema(value_type = Option<schema::QueueProfile>)]
    pub queue_profile: Option<QueueProfile>,
    /// `PYTHON`, `SHELL` or `EXE`.
    #[schema(value_type = schema::EntrypointType)]
    pub entrypoint_type: EntrypointType,
    /// Path of the script or program on the worker.
    pub script_path: String,
    /// JSON Schema of the parameters; null: any object.
    pub parameter_schema: Option<Value>,
    /// Values of parameters that a request omits.
    #[schema(value_type = Object)]
    pub default_params: Map<String, Value>,
    /// Time limit of a run in seconds, after which the job's process tree is killed; null: no limit.
    pub timeout_s: Option<i64>,
    /// Maximum number of its jobs that run at the same time; null: no limit.
    pub max_concurrency: Option<i64>,
    /// Minutes that a person needs for what one of its jobs does, from which reports compute hours saved; null: unknown.
    pub manual_minutes: Option<i64>,
    /// Priority of its jobs, 0 to 9; higher is dispatched first.
    pub priority: i32,
    /// Whether and when a failed job is retried.
    #[schema(value_type = schema::RetryPolicy)]
    pub retry_policy: RetryPolicy,
    /// Seconds that a job may stay pending before it fails with `QUEUE_TIMEOUT`; null: no limit.
    pub queue_timeout_s: Option<i64>,
    /// Seconds that a canceled program has to stop before it is killed; null: the worker's setting.
    pub cancel_grace_s: Option<i64>,
    /// Template of the concurrency key. Jobs with the same key share a limit, across automations; `{name}` is replaced by a parameter.
    /// Null: no key.
    pub concurrency_key: Option<String>,
    /// Maximum number of jobs with the same key that run at the same time.
    pub concurrency_key_limit: i64,
    /// At most `max` starts in any `per_s` seconds; null: no limit.
    #[schema(value_type = Option<schema::RateLimit>)]
    pub rate_limit: Option<RateLimit>,
    /// What a request does while a job of the automation (with the same concurrency key) is pending or running: `queue`, `skip`, `replace`
    /// or `coalesce`.
    #[schema(value_type = schema::Overlap)]
    pub overlap: Overlap,
    /// What happens to a job whose worker is lost: `retry` or `fail`; null: the retry policy decides.
    #[schema(value_type = Option<schema::OnWorkerLost>)]
    pub on_worker_lost: Option<OnWorkerLost>,
    /// Labels that a worker must have to run its jobs.
    pub requires: Vec<String>,
    /// Whether its programs need a virtual display.
    pub display: bool,
    /// Maximum CPUs that a program may use; null: no limit.
    pub cpu_limit: Option<f64>,
    /// Maximum memory of a program in bytes; null: no limit.
    pub memory_limit_bytes: Option<i64>,
    /// Domain that it belongs to; null: none.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub domain_id: Option<DomainId>,
    /// Labels of its own, to find it and to narrow grants to it.
    #[serde(default)]
    pub labels: Vec<String>,
    /// When it was paused; its pending jobs do not start. Null: not paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// When the pause ends; null: when somebody resumes it.
    pub paused_until: Option<DateTime<Utc>>,
    /// Why it is paused.
    pub paused_reason: Option<String>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// When it was archived. An archived automation keeps its jobs and accepts no new ones. Null: not archived.
    pub archived_at: Option<DateTime<Utc>>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who registered or last changed it; null: before this was recorded.
    #[serde(default)]
    pub updated_by: Option<String>,
    /// Changes that have not taken effect yet, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A new automation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::automation_create)]
pub struct AutomationCreate {
    /// Name; unique among automations that are not archived.
    #[schema(value_type = schema::GivenName)]
    pub name: String,
    /// Free text for people.
    #[serde(default)]
    #[schema(pattern = r"^[^\u0000]*$")]
    pub description: Option<String>,
    /// Queue that its jobs are dispatched through. Absent: derived from the name.
    #[serde(default, alias = "queueName")]
    #[schema(value_type = Option<schema::QueueName>)]
    pub queue_name: Option<String>,
    /// Profile with which the hub declares the queue at once: `regente`, `maestro` or `plain`. Absent: the hub's setting
    /// `dispatch.queue_profile`; without that setting, jobs stay pending until a worker has declared the queue.
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
    /// JSON Schema, or a list of fields `[{name,label,type,placeholder,…}]`, which is converted to one. A field of an unknown type becomes
    /// a string property with that type as `x-field-type`.
    #[serde(default, alias = "parameterSchema")]
    #[schema(value_type = Option<schema::ParameterSchema>)]
    pub parameter_schema: Option<Value>,
    /// Values of parameters that a request omits.
    #[serde(default, alias = "defaultParams")]
    #[schema(value_type = Option<Object>)]
    pub default_params: Option<Map<String, Value>>,
    /// Time limit of a run in seconds, 1 to 2592000; the job's process tree is then killed. Absent: no limit.
    #[serde(default, alias = "timeoutS")]
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub timeout_s: Option<i64>,
    /// Maximum number of its jobs that run at the same time, 1 to 100000. Absent: no limit.
    #[serde(default, alias = "maxConcurrency")]
    #[schema(minimum = 1, maximum = 100_000)]
    pub max_concurrency: Option<i64>,
    /// Minutes that a person needs for what one of its jobs does, from which reports compute hours saved, 1 to 100000.
    #[serde(default, alias = "manualMinutes")]
    #[schema(minimum = 1, maximum = 100_000)]
    pub manual_minutes: Option<i64>,
    /// Priority of its jobs, 0 to 9 (default 5); higher is dispatched first.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 9)]
    pub priority: Option<i32>,
    /// Whether and when a failed job is retried. Absent: never.
    #[serde(default, alias = "retryPolicy")]
    #[schema(value_type = Option<schema::RetryPolicy>)]
    pub retry_policy: Option<RetryPolicy>,
    /// Seconds that a job may stay pending before it fails with `QUEUE_TIMEOUT`, 1 to 2592000. Absent: no limit.
    #[serde(default, alias = "queueTimeoutS")]
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub queue_timeout_s: Option<i64>,
    /// Seconds that a canceled program has to stop before it is killed, 0 to 3600. Absent: the worker's setting.
    #[serde(default, alias = "cancelGraceS")]
    #[schema(minimum = 0, maximum = 3600)]
    pub cancel_grace_s: Option<i64>,
    /// Template of the concurrency key, such as `portal-sefaz:{cnpj}`. Jobs with the same key share a limit, across automations. `{name}`
    /// or `{a.b}` is replaced by a parameter; `{{` and `}}` are literal braces.
    #[serde(default, alias = "concurrencyKey")]
    #[schema(value_type = Option<schema::ConcurrencyKey>)]
    pub concurrency_key: Option<String>,
    /// Maximum number of jobs with the same key that run at the same time, 1 to 10000 (default 1).
    #[serde(default, alias = "concurrencyKeyLimit")]
    #[schema(minimum = 1, maximum = 10_000)]
    pub concurrency_key_limit: Option<i64>,
    /// At most `max` starts in any `per_s` seconds. Absent: no limit.
    #[serde(default, alias = "rateLimit")]
    #[schema(value_type = Option<schema::RateLimit>)]
    pub rate_limit: Option<RateLimit>,
    /// What a request does while a job of the automation (with the same concurrency key) is pending or running: `queue` (default), `skip`,
    /// `replace` or `coalesce`.
    #[serde(default)]
    #[schema(value_type = Option<schema::Overlap>)]
    pub overlap: Option<Overlap>,
    /// What happens to a job whose worker is lost: `retry` or `fail`. Absent: the retry policy decides.
    #[serde(default, alias = "onWorkerLost")]
    #[schema(value_type = Option<schema::OnWorkerLost>)]
    pub on_worker_lost: Option<OnWorkerLost>,
    /// Labels that a worker must have to run its jobs, at most 20.
    #[serde(default)]
    #[schema(value_type = Option<Vec<schema::Label>>, max_items = 20)]
    pub requires: Option<Vec<String>>,
    /// Whether its programs need a virtual display.
    #[serde(default)]
    pub display: Option<bool>,
    /// Maximum CPUs that a program may use, 0.01 to 1024. Absent: no limit.
    #[serde(default, alias = "cpuLimit")]
    #[schema(minimum = 0.01, maximum = 1024)]
    pub cpu_limit: Option<f64>,
    /// Maximum memory of a program in bytes, at least 1048576. Absent: no limit.
    #[serde(default, alias = "memoryLimitBytes")]
    #[schema(minimum = 1_048_576, maximum = 9_007_199_254_740_992i64)]
    pub memory_limit_bytes: Option<i64>,
    /// Domain that it belongs to. Absent: none.
    #[serde(default, alias = "domainId")]
    #[schema(value_type = Option<Uuid>)]
    pub domain_id: Option<DomainId>,
    /// Labels of its own, at most 20.
    #[serde(default)]
    #[schema(value_type = Option<Vec<schema::Label>>, max_items = 20)]
    pub labels: Option<Vec<String>>,
}

/// Query of the list of automations.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AutomationFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last automation of the previous page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i32>)]
    pub after: Option<AutomationId>,
    /// Only those of this name, exactly; of those that are not archived one at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200, pattern = r"^[^\u0000]*$")]
    pub name: Option<String>,
    /// Only those with this text in their name, whatever its case; at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200, pattern = r"^[^\u0000]*$")]
    pub search: Option<String>,
    /// Only those of the domain with this slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Slug>)]
    pub domain: Option<String>,
    /// Only those with this label.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Label>)]
    pub label: Option<String>,
    /// Whether archived automations are included.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
}

/// A change to an automation. Absent fields keep their values; null clears an optional field. The answer of `GET` can be sent back: fields
/// that this request cannot change are accepted with their current values. An outdated `updated_at` is answered 409.
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
    /// New queue, for jobs accepted from now on.
    #[serde(alias = "queueName", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::QueueName>)]
    pub queue_name: Option<String>,
    /// New queue profile; null: the queue is declared by its workers. It takes effect when the queue has no messages and no consumers;
    /// until then `warnings` of the answer says so.
    #[serde(alias = "queueProfile", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::QueueProfile>)]
    pub queue_profile: Option<Option<QueueProfile>>,
    /// New entry point type.
    #[serde(alias = "entrypointType", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::EntrypointType>)]
    pub entrypoint_type: Option<EntrypointType>,
    /// New path of the script or program.
    #[serde(alias = "scriptPath", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ScriptPath>)]
    pub script_path: Option<String>,
    /// New parameter schema; null: any object.
    #[serde(alias = "parameterSchema", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ParameterSchema>)]
    pub parameter_schema: Option<Option<Value>>,
    /// New default parameters.
    #[serde(alias = "defaultParams", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub default_params: Option<Map<String, Value>>,
    /// New time limit of a run in seconds; null: no limit.
    #[serde(alias = "timeoutS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 2_592_000)]
    pub timeout_s: Option<Option<i64>>,
    /// New maximum number of jobs that run at the same time; null: no limit.
    #[serde(alias = "maxConcurrency", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 100_000)]
    pub max_concurrency: Option<Option<i64>>,
    /// New minutes that a person needs for what one of its jobs does; null: unknown.
    #[serde(alias = "manualMinutes", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 100_000)]
    pub manual_minutes: Option<Option<i64>>,
    /// New priority, for jobs accepted from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9)]
    pub priority: Option<i32>,
    /// New retry policy.
    #[serde(alias = "retryPolicy", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::RetryPolicy>)]
    pub retry_policy: Option<RetryPolicy>,
    /// New maximum time as pending, in seconds; null: no limit.
    #[serde(alias = "queueTimeoutS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 2_592_000)]
    pub queue_timeout_s: Option<Option<i64>>,
    /// New time that a canceled program has to stop, in seconds; null: the worker's setting.
    #[serde(alias = "cancelGraceS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 3600)]
    pub cancel_grace_s: Option<Option<i64>>,
    /// New template of the concurrency key, for jobs accepted from now on; null: no key.
    #[serde(alias = "concurrencyKey", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ConcurrencyKey>)]
    pub concurrency_key: Option<Option<String>>,
    /// New maximum number of jobs with the same key that run at the same time.
    #[serde(alias = "concurrencyKeyLimit", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10_000)]
    pub concurrency_key_limit: Option<i64>,
    /// New rate limit of starts; null: no limit.
    #[serde(alias = "rateLimit", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::RateLimit>)]
    pub rate_limit: Option<Option<RateLimit>>,
    /// New rule for a request while another job is pending or running.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Overlap>)]
    pub overlap: Option<Overlap>,
    /// New rule for jobs of lost workers; null: the retry policy decides.
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
    /// New maximum of CPUs; null: no limit.
    #[serde(alias = "cpuLimit", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, minimum = 0.01, maximum = 1024)]
    pub cpu_limit: Option<Option<f64>>,
    /// New maximum of memory in bytes; null: no limit.
    #[serde(alias = "memoryLimitBytes", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1_048_576, maximum = 9_007_199_254_740_992i64)]
    pub memory_limit_bytes: Option<Option<i64>>,
    /// New domain; null: none.
    #[serde(alias = "domainId", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub domain_id: Option<Option<DomainId>>,
    /// New labels of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<schema::Label>>, max_items = 20)]
    pub labels: Option<Vec<String>>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub id: Option<Value>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub paused_at: Option<Value>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub paused_until: Option<Value>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub paused_reason: Option<Value>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub paused_by: Option<Value>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub archived_at: Option<Value>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub created_at: Option<Value>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub updated_at: Option<Value>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub updated_by: Option<Value>,
    /// Ignored.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub warnings: Option<Value>,
}

impl AutomationUpdate {
    /// The fields that this request cannot change, with the values that were sent.
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

/// A registration is a change to an automation without values.
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
            manual_minutes: Some(create.manual_minutes),
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
            domain_id: Some(create.domain_id),
            labels: create.labels,
            ..Self::default()
        }
    }
}

/// Keeps an explicit null as `Some(Null)`.
pub(crate) fn given<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(input).map(Some)
}

/// Distinguishes a null field (`Some(None)`) from an absent one (`None`).
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(input).map(Some)
}
