use chrono::{DateTime, Utc};
use domain::{
    automation::{EntrypointType, QueueProfile},
    retry::RetryPolicy,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A registered piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Automation {
    /// Id.
    pub id: i32,
    /// Unique among the automations that are not archived.
    pub name: String,
    /// For people.
    pub description: String,
    /// Queue its jobs wait in.
    pub queue_name: String,
    /// How the queue is declared when it does not exist: `regente`, `maestro` or `plain`.
    #[schema(value_type = String)]
    pub queue_profile: QueueProfile,
    /// `PYTHON`, `SHELL` or `EXE`.
    #[schema(value_type = String)]
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
    #[schema(value_type = Object)]
    pub retry_policy: RetryPolicy,
    /// Set when it was archived: it is kept with its jobs, but runs no more.
    pub archived_at: Option<DateTime<Utc>>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Registers an automation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AutomationCreate {
    /// Unique among the automations that are not archived.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Queue; made from the name when absent.
    #[serde(default, alias = "queueName")]
    pub queue_name: Option<String>,
    /// `regente` (default), `maestro` or `plain`.
    #[serde(default, alias = "queueProfile")]
    #[schema(value_type = Option<String>)]
    pub queue_profile: Option<QueueProfile>,
    /// `PYTHON` (default), `SHELL` or `EXE`.
    #[serde(default, alias = "entrypointType")]
    #[schema(value_type = Option<String>)]
    pub entrypoint_type: Option<EntrypointType>,
    /// Path of the script or program on the worker.
    #[serde(default, alias = "scriptPath")]
    pub script_path: String,
    /// JSON Schema, or a list of fields `[{name,label,type,…}]`.
    #[serde(default, alias = "parameterSchema")]
    pub parameter_schema: Option<Value>,
    /// Used for parameters that `execute` does not give.
    #[serde(default, alias = "defaultParams")]
    #[schema(value_type = Option<Object>)]
    pub default_params: Option<Map<String, Value>>,
    /// Seconds after which a job's process tree is killed.
    #[serde(default, alias = "timeoutS")]
    pub timeout_s: Option<i64>,
    /// Most jobs of it that run at once.
    #[serde(default, alias = "maxConcurrency")]
    pub max_concurrency: Option<i64>,
    /// Priority of its jobs, 0 to 9 (default 5).
    #[serde(default)]
    pub priority: Option<i32>,
    /// When a failed job is run again; absent: never.
    #[serde(default, alias = "retryPolicy")]
    #[schema(value_type = Option<Object>)]
    pub retry_policy: Option<RetryPolicy>,
}

/// Changes an automation: fields that are absent stay as they are, null clears a field that may be empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AutomationUpdate {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// New queue, for jobs made from now on.
    #[serde(alias = "queueName", skip_serializing_if = "Option::is_none")]
    pub queue_name: Option<String>,
    /// New queue profile.
    #[serde(alias = "queueProfile", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub queue_profile: Option<QueueProfile>,
    /// New entry point type.
    #[serde(alias = "entrypointType", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub entrypoint_type: Option<EntrypointType>,
    /// New path.
    #[serde(alias = "scriptPath", skip_serializing_if = "Option::is_none")]
    pub script_path: Option<String>,
    /// New schema, or null for none.
    #[serde(alias = "parameterSchema", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub parameter_schema: Option<Option<Value>>,
    /// New default parameters.
    #[serde(alias = "defaultParams", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub default_params: Option<Map<String, Value>>,
    /// New time-out, or null for none.
    #[serde(alias = "timeoutS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub timeout_s: Option<Option<i64>>,
    /// New limit, or null for none.
    #[serde(alias = "maxConcurrency", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub max_concurrency: Option<Option<i64>>,
    /// New priority, for jobs made from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// New retry policy.
    #[serde(alias = "retryPolicy", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub retry_policy: Option<RetryPolicy>,
}

/// Tells a field that is null (`Some(None)`) from one that is absent (`None`).
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(input).map(Some)
}
