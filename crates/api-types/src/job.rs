use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, JobEventId, JobId, ScheduleId, VersionId, WorkerId},
    job::{ErrorClass, Status, Trigger},
    log::Level,
    policy::Overrides,
    waiting::WaitingCode,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{examples, schema};

/// One requested run of an automation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::job)]
pub struct Job {
    /// Id, UUID v7.
    #[schema(value_type = Uuid)]
    pub id: JobId,
    /// The same id, under the name that workers use.
    #[schema(value_type = Uuid)]
    pub job_id: JobId,
    /// Automation it runs.
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// Queue it waits or waited in.
    pub queue_name: String,
    /// `pending`, `running`, `paused`, `completed`, `completed_no_invoices`, `failed` or `canceled`.
    #[schema(value_type = schema::JobStatus)]
    pub status: Status,
    /// `MANUAL`, `API`, `SCHEDULED`, `RETRY`, `PORTAL` or `CHAIN`.
    #[schema(value_type = schema::JobTrigger)]
    pub trigger: Trigger,
    /// 0 to 9; higher goes first.
    pub priority: i32,
    /// What the robot gets.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// What the robot gave back.
    pub result: Option<Value>,
    /// Why it failed.
    #[schema(value_type = Option<schema::ErrorClass>)]
    pub error_class: Option<ErrorClass>,
    /// Why it failed, in words.
    pub error_message: Option<String>,
    /// 1 for a first run, 2 for its first retry.
    pub attempt: i32,
    /// The job that this one runs again.
    #[schema(value_type = Option<Uuid>)]
    pub retry_of: Option<JobId>,
    /// The worker that holds or held it.
    #[schema(value_type = Option<Uuid>)]
    pub worker_id: Option<WorkerId>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// It does not start before this.
    pub not_before: Option<DateTime<Utc>>,
    /// When the broker confirmed its message, or a worker claimed it.
    pub dispatched_at: Option<DateTime<Utc>>,
    /// When a worker started it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// When its worker was last heard of.
    pub last_heartbeat_at: Option<DateTime<Utc>>,
    /// When its worker counts as lost, unless it is heard of.
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// When somebody asked to stop it.
    pub cancellation_requested_at: Option<DateTime<Utc>>,
    /// Since when it is paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Jobs with the same key share a limit.
    pub concurrency_key: Option<String>,
    /// Who requested it: a user's name, `key:NAME` or `service:NAME`; null: accepted before that was kept. A retry by the policy keeps the name.
    #[serde(default)]
    pub requested_by: Option<String>,
    /// The schedule whose fire it is.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub schedule_id: Option<ScheduleId>,
    /// The version of the automation that it runs; null: what is installed on its worker.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub version_id: Option<VersionId>,
    /// The environment whose configuration it gets.
    #[serde(default)]
    pub environment: Option<String>,
    /// Labels its worker must have.
    #[serde(default)]
    pub requires: Vec<String>,
    /// It fails when it has not started by then.
    pub queue_deadline_at: Option<DateTime<Utc>>,
    /// Why it has not started; only of a pending job, and only where jobs are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_reason: Option<WaitingReason>,
}

/// Why a job has not started: the first thing that is in its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::waiting_reason)]
pub struct WaitingReason {
    /// The reason, for programs.
    #[schema(value_type = schema::WaitingCode)]
    pub code: WaitingCode,
    /// The same as a sentence.
    pub message: String,
    /// What the sentence speaks of: `queue`, `until`, `limit`, `held_by`, `at` …
    #[schema(value_type = Object)]
    pub facts: Map<String, Value>,
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::progress)]
pub struct Progress {
    /// Step it is at, from 1.
    #[serde(default, alias = "etapa_atual", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub step: Option<i64>,
    /// Steps in all.
    #[serde(default, alias = "total_etapas", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub total_steps: Option<i64>,
    /// 0 to 100.
    #[serde(default, alias = "percentual", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 100)]
    pub percent: Option<f64>,
    /// What it is doing.
    #[serde(default, alias = "mensagem", skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Query of `execute`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExecuteOptions {
    /// Priority of this job, 0 to 9, in place of the automation's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 9)]
    pub priority: Option<i32>,
    /// Seconds after which its process tree is killed, 1 to 2592000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 2_592_000)]
    pub timeout_s: Option<i64>,
    /// Seconds that it may wait for its start before it fails as `QUEUE_TIMEOUT`, 1 to 2592000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 2_592_000)]
    pub queue_timeout_s: Option<i64>,
    /// Attempts in all, the first included, 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 100)]
    pub max_attempts: Option<u32>,
    /// Seconds between asking its program to stop and killing it, 0 to 3600.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 3600)]
    pub cancel_grace_s: Option<i64>,
    /// Its concurrency key itself, not a template; at most 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::ConcurrencyKey>)]
    pub concurrency_key: Option<String>,
    /// It does not start before this, RFC 3339 or a date; a time that has passed: at once.
    #[serde(deserialize_with = "crate::moment::optional", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Moment>)]
    pub not_before: Option<DateTime<Utc>>,
}

/// Requests a job. What is absent is as the automation says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::job_create)]
pub struct JobCreate {
    /// Automation to run.
    #[serde(alias = "automationId")]
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// What the robot gets, over the automation's default parameters.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// 0 to 9; higher goes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9)]
    pub priority: Option<i32>,
    /// Seconds after which its process tree is killed, 1 to 2592000.
    #[serde(default, alias = "timeoutS", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub timeout_s: Option<i64>,
    /// Seconds that it may wait for its start before it fails as `QUEUE_TIMEOUT`, 1 to 2592000.
    #[serde(default, alias = "queueTimeoutS", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub queue_timeout_s: Option<i64>,
    /// Attempts in all, the first included, 1 to 100.
    #[serde(default, alias = "maxAttempts", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub max_attempts: Option<u32>,
    /// Seconds between asking its program to stop and killing it, 0 to 3600.
    #[serde(default, alias = "cancelGraceS", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 3600)]
    pub cancel_grace_s: Option<i64>,
    /// Its concurrency key itself, not a template; at most 256 bytes.
    #[serde(default, alias = "concurrencyKey", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ConcurrencyKey>)]
    pub concurrency_key: Option<String>,
    /// It does not start before this; a time that has passed: at once.
    #[serde(default, alias = "notBefore", deserialize_with = "crate::moment::optional", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Moment>)]
    pub not_before: Option<DateTime<Utc>>,
    /// The same key returns the same job; 1 to 255 bytes.
    #[serde(default, alias = "idempotencyKey", skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\u0000]*$")]
    pub idempotency_key: Option<String>,
    /// Only a service of the hub may set it, as the fields below: what makes the request, any but `RETRY`; `API` unless it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::JobTrigger>)]
    pub trigger: Option<Trigger>,
    /// On whose behalf a service asks; the service itself unless it says so.
    #[serde(default, alias = "requestedBy", skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 1024)]
    pub requested_by: Option<String>,
    /// The schedule whose fire it is.
    #[serde(default, alias = "scheduleId", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub schedule_id: Option<ScheduleId>,
    /// The version of the automation to run.
    #[serde(default, alias = "versionId", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub version_id: Option<VersionId>,
    /// The environment whose configuration it gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    pub environment: Option<String>,
    /// W3C trace context of what led to the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl JobCreate {
    /// The fields it has that only a service may set.
    pub fn service_fields(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("trigger", self.trigger.is_some()),
            ("requested_by", self.requested_by.is_some()),
            ("schedule_id", self.schedule_id.is_some()),
            ("version_id", self.version_id.is_some()),
            ("environment", self.environment.is_some()),
            ("traceparent", self.traceparent.is_some()),
        ];
        fields.into_iter().filter_map(|(name, is_set)| is_set.then_some(name))
    }

    /// What it wants otherwise than the automation says, not checked yet.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            priority: self.priority,
            timeout_s: self.timeout_s,
            queue_timeout_s: self.queue_timeout_s,
            max_attempts: self.max_attempts,
            cancel_grace_s: self.cancel_grace_s,
            concurrency_key: self.concurrency_key.clone(),
            not_before: self.not_before,
        }
    }
}

/// Query of the list of jobs, newest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobFilter {
    /// Only these statuses, with commas between.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Vec<schema::JobStatus>>)]
    pub status: Option<String>,
    /// Only this automation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub queue_name: Option<String>,
    /// Only jobs that failed with this class.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::ErrorClass>)]
    pub error_class: Option<String>,
    /// Only this trigger.
    #[serde(alias = "trigger_type", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::JobTrigger>)]
    pub trigger: Option<String>,
    /// Only jobs that this user, key or service requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Accepted at this time or later: RFC 3339, or a date for its start in UTC.
    #[serde(deserialize_with = "crate::moment::optional", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Moment>)]
    pub created_from: Option<DateTime<Utc>>,
    /// Accepted before this time: RFC 3339, or a date for its start in UTC.
    #[serde(deserialize_with = "crate::moment::optional", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Moment>)]
    pub created_to: Option<DateTime<Utc>>,
    /// Most items of the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the page before. The header `Link` of that page has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<JobId>,
    /// What a list leaves out unless it is asked for: `result`. Without it `result` is `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline, value_type = Option<Vec<schema::JobPart>>)]
    pub include: Option<String>,
}

/// Query of a job's log lines, oldest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogFilter {
    /// Page size, 1 to 10000 (default 1000). A page ends earlier when its lines have 4 MiB: the `Link` header goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<u32>,
    /// `log_id` of the last line of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
}

/// Query of a job's events.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobEventFilter {
    /// Most items of the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the page before. The header `Link` of that page has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<JobEventId>,
}

/// One line of a job's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::log_line)]
pub struct LogLine {
    /// Number of the line in its job's log, from 1.
    pub log_id: i64,
    /// When it was written.
    pub timestamp: DateTime<Utc>,
    /// `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`.
    #[schema(value_type = schema::LogLevel)]
    pub level: Level,
    /// The line.
    pub message: String,
    /// Somebody should do something about it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub actionable: bool,
}

/// Something that happened to a job beside its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::job_event)]
pub struct JobEvent {
    /// Id, UUID v7.
    #[schema(value_type = Uuid)]
    pub id: JobEventId,
    /// `job.finished_late` …
    pub kind: String,
    /// Who did it: a user's name, `key:NAME`, `service:NAME`, or a worker's credential; null: the hub itself.
    #[serde(default)]
    pub actor: Option<String>,
    /// More.
    pub detail: Value,
    /// When.
    pub created_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_for_a_job_takes_both_spellings_and_nothing_else() {
        let snake = json!({"automation_id": 7, "parameters": {"cnpj": "1"}, "priority": 9, "timeout_s": 1, "queue_timeout_s": 2,
            "max_attempts": 3, "cancel_grace_s": 4, "concurrency_key": "k", "not_before": "2026-01-01T00:00:00Z", "idempotency_key": "i"});
        let camel = json!({"automationId": 7, "parameters": {"cnpj": "1"}, "priority": 9, "timeoutS": 1, "queueTimeoutS": 2,
            "maxAttempts": 3, "cancelGraceS": 4, "concurrencyKey": "k", "notBefore": "2026-01-01T00:00:00Z", "idempotencyKey": "i"});
        let request: JobCreate = serde_json::from_value(snake.clone()).unwrap();
        assert_eq!(serde_json::from_value::<JobCreate>(camel).unwrap(), request);
        assert_eq!(serde_json::to_value(&request).unwrap(), snake);
        let expected = Overrides {
            priority: Some(9),
            timeout_s: Some(1),
            queue_timeout_s: Some(2),
            max_attempts: Some(3),
            cancel_grace_s: Some(4),
            concurrency_key: Some("k".into()),
            not_before: DateTime::from_timestamp(1_767_225_600, 0),
        };
        assert_eq!(request.overrides(), expected);
        let least: JobCreate = serde_json::from_value(json!({"automation_id": 7})).unwrap();
        assert_eq!((least.parameters.len(), least.overrides()), (0, Overrides::default()));
        for bad in [json!({}), json!({"automation_id": 7, "trigger": "API"}), json!({"automation_id": 7, "parameters": [1]})] {
            assert!(serde_json::from_value::<JobCreate>(bad.clone()).is_err(), "{bad}");
        }
    }
}
