use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, JobEventId, JobId, ScheduleId, VersionId, WorkerId},
    job::{ErrorClass, Status, Trigger},
    log::Level,
    policy::{Overlap, Overrides},
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
    /// The same id, under the name that the worker API uses.
    #[schema(value_type = Uuid)]
    pub job_id: JobId,
    /// Automation that it runs.
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// Queue that it is dispatched through.
    pub queue_name: String,
    /// `pending`, `running`, `paused`, `completed`, `completed_no_invoices`, `failed` or `canceled`.
    #[schema(value_type = schema::JobStatus)]
    pub status: Status,
    /// `MANUAL`, `API`, `SCHEDULED`, `RETRY`, `PORTAL` or `CHAIN`.
    #[schema(value_type = schema::JobTrigger)]
    pub trigger: Trigger,
    /// Priority, 0 to 9; higher is dispatched first.
    pub priority: i32,
    /// Parameters that the robot receives.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// Result that the robot returned.
    pub result: Option<Value>,
    /// Class of the error; null unless it failed.
    #[schema(value_type = Option<schema::ErrorClass>)]
    pub error_class: Option<ErrorClass>,
    /// Why it failed, for people.
    pub error_message: Option<String>,
    /// Number of the attempt: 1 for the first run, 2 for its first retry.
    pub attempt: i32,
    /// Job that this one retries.
    #[schema(value_type = Option<Uuid>)]
    pub retry_of: Option<JobId>,
    /// Worker that runs it or ran it.
    #[schema(value_type = Option<Uuid>)]
    pub worker_id: Option<WorkerId>,
    /// Progress that its robot reported last.
    pub progress: Option<Progress>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// Earliest time at which it may start.
    pub not_before: Option<DateTime<Utc>>,
    /// When the broker confirmed its message, or a worker claimed it.
    pub dispatched_at: Option<DateTime<Utc>>,
    /// When a worker started it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// When the last heartbeat of its worker arrived.
    pub last_heartbeat_at: Option<DateTime<Utc>>,
    /// When the lease expires unless a heartbeat renews it. The worker then counts as lost.
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// When its cancellation was requested.
    pub cancellation_requested_at: Option<DateTime<Utc>>,
    /// When it was paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Concurrency key: jobs with the same key share a limit.
    pub concurrency_key: Option<String>,
    /// Who requested it: a user's name, `key:NAME` or `service:NAME`. An automatic retry keeps the name. Null: accepted before this was
    /// recorded.
    #[serde(default)]
    pub requested_by: Option<String>,
    /// Schedule that created it.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub schedule_id: Option<ScheduleId>,
    /// Version of the automation that it runs; null: the one that is installed on its worker.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub version_id: Option<VersionId>,
    /// Environment whose configuration it receives.
    #[serde(default)]
    pub environment: Option<String>,
    /// Labels that its worker must have.
    #[serde(default)]
    pub requires: Vec<String>,
    /// It fails with `QUEUE_TIMEOUT` unless it has started by then.
    pub queue_deadline_at: Option<DateTime<Utc>>,
    /// Why it has not started. Present for a pending job in the answers of `GET` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_reason: Option<WaitingReason>,
}

/// Why a job has not started: the first obstacle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::waiting_reason)]
pub struct WaitingReason {
    /// The reason, for programs.
    #[schema(value_type = schema::WaitingCode)]
    pub code: WaitingCode,
    /// The reason as a sentence.
    pub message: String,
    /// Values in the sentence: `queue`, `until`, `limit`, `held_by`, `at` …
    #[schema(value_type = Object)]
    pub facts: Map<String, Value>,
}

/// Progress of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::progress)]
pub struct Progress {
    /// Current step, from 1.
    #[serde(default, alias = "etapa_atual", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub step: Option<i64>,
    /// Total number of steps.
    #[serde(default, alias = "total_etapas", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub total_steps: Option<i64>,
    /// Percentage done, 0 to 100.
    #[serde(default, alias = "percentual", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 100)]
    pub percent: Option<f64>,
    /// What the robot is doing.
    #[serde(default, alias = "mensagem", skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Query of `execute`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExecuteOptions {
    /// Priority, 0 to 9; higher is dispatched first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 9)]
    pub priority: Option<i32>,
    /// Time limit of the run in seconds, 1 to 2592000; the job's process tree is then killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 2_592_000)]
    pub timeout_s: Option<i64>,
    /// Seconds that it may stay pending before it fails with `QUEUE_TIMEOUT`, 1 to 2592000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 2_592_000)]
    pub queue_timeout_s: Option<i64>,
    /// Maximum attempts, the first run included, 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 100)]
    pub max_attempts: Option<u32>,
    /// Seconds that its program has to stop after a cancel before it is killed, 0 to 3600.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 3600)]
    pub cancel_grace_s: Option<i64>,
    /// Concurrency key, literally (not a template); at most 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::ConcurrencyKey>)]
    pub concurrency_key: Option<String>,
    /// Earliest time at which it may start: RFC 3339, or a date, which means 00:00 UTC. A time in the past has no effect.
    #[serde(deserialize_with = "crate::moment::optional", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Moment>)]
    pub not_before: Option<DateTime<Utc>>,
}

/// A request for a job. Absent settings are those of the automation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::job_create)]
pub struct JobCreate {
    /// Automation to run.
    #[serde(alias = "automationId")]
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// Parameters that the robot receives; they override the automation's default parameters.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// Priority, 0 to 9; higher is dispatched first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9)]
    pub priority: Option<i32>,
    /// Time limit of the run in seconds, 1 to 2592000; the job's process tree is then killed.
    #[serde(default, alias = "timeoutS", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub timeout_s: Option<i64>,
    /// Seconds that it may stay pending before it fails with `QUEUE_TIMEOUT`, 1 to 2592000.
    #[serde(default, alias = "queueTimeoutS", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub queue_timeout_s: Option<i64>,
    /// Maximum attempts, the first run included, 1 to 100.
    #[serde(default, alias = "maxAttempts", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub max_attempts: Option<u32>,
    /// Seconds that its program has to stop after a cancel before it is killed, 0 to 3600.
    #[serde(default, alias = "cancelGraceS", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 3600)]
    pub cancel_grace_s: Option<i64>,
    /// Concurrency key, literally (not a template); at most 256 bytes.
    #[serde(default, alias = "concurrencyKey", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ConcurrencyKey>)]
    pub concurrency_key: Option<String>,
    /// Earliest time at which it may start; a time in the past has no effect.
    #[serde(default, alias = "notBefore", deserialize_with = "crate::moment::optional", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Moment>)]
    pub not_before: Option<DateTime<Utc>>,
    /// Makes the request repeatable: the same key returns the same job. 1 to 255 bytes.
    #[serde(default, alias = "idempotencyKey", skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\u0000]*$")]
    pub idempotency_key: Option<String>,
    /// Kind of caller; not `RETRY`. Default `API`. Only a service of the hub may set this and the fields below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::JobTrigger>)]
    pub trigger: Option<Trigger>,
    /// User, key or service for which a service of the hub requests the job. Absent: the service itself.
    #[serde(default, alias = "requestedBy", skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 1024)]
    pub requested_by: Option<String>,
    /// Schedule that created it.
    #[serde(default, alias = "scheduleId", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub schedule_id: Option<ScheduleId>,
    /// What the request does while another job of the automation (with the same concurrency key) is pending or running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Overlap>)]
    pub overlap: Option<Overlap>,
    /// Maximum number of jobs of its schedule that run at the same time, 1 to 10000; needs a `schedule_id`.
    #[serde(default, alias = "maxConcurrency", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10_000)]
    pub max_concurrency: Option<u32>,
    /// Seconds before the second attempt, 0 to 86400.
    #[serde(default, alias = "retryBackoffS", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 86_400)]
    pub retry_backoff_s: Option<i64>,
    /// Version of the automation to run.
    #[serde(default, alias = "versionId", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub version_id: Option<VersionId>,
    /// Environment whose configuration it receives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    pub environment: Option<String>,
    /// W3C trace context of the cause of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl JobCreate {
    /// The fields in the request that only a service may set.
    pub fn service_fields(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("trigger", self.trigger.is_some()),
            ("requested_by", self.requested_by.is_some()),
            ("schedule_id", self.schedule_id.is_some()),
            ("overlap", self.overlap.is_some()),
            ("max_concurrency", self.max_concurrency.is_some()),
            ("retry_backoff_s", self.retry_backoff_s.is_some()),
            ("version_id", self.version_id.is_some()),
            ("environment", self.environment.is_some()),
            ("traceparent", self.traceparent.is_some()),
        ];
        fields.into_iter().filter_map(|(name, is_set)| is_set.then_some(name))
    }

    /// The settings that override the automation's; not validated yet.
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
            overlap: self.overlap,
            max_concurrency: self.max_concurrency,
            retry_backoff_s: self.retry_backoff_s,
        }
    }
}

/// Query of the list of jobs, newest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobFilter {
    /// Only these statuses, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Vec<schema::JobStatus>>)]
    pub status: Option<String>,
    /// Only jobs of this automation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only jobs of automations of the domain with this slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Slug>)]
    pub domain: Option<String>,
    /// Only jobs of this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub queue_name: Option<String>,
    /// Only jobs that failed with this error class.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::ErrorClass>)]
    pub error_class: Option<String>,
    /// Only jobs with this trigger.
    #[serde(alias = "trigger_type", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::JobTrigger>)]
    pub trigger: Option<String>,
    /// Only jobs that this user, key or service requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub requested_by: Option<String>,
    /// Only jobs that run this one again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub retry_of: Option<JobId>,
    /// Only jobs accepted at this time or later: RFC 3339, or a date, which means 00:00 UTC.
    #[serde(deserialize_with = "crate::moment::optional", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Moment>)]
    pub created_from: Option<DateTime<Utc>>,
    /// Only jobs accepted before this time: RFC 3339, or a date, which means 00:00 UTC.
    #[serde(deserialize_with = "crate::moment::optional", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Moment>)]
    pub created_to: Option<DateTime<Utc>>,
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<JobId>,
    /// Fields that the list omits unless they are named here: `result`, which is null otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline, value_type = Option<Vec<schema::JobPart>>)]
    pub include: Option<String>,
}

/// Query of a job's log lines, oldest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogFilter {
    /// Maximum number of lines in the page, 1 to 10000 (default 1000). A page also ends at 4 MiB; its `Link` header continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<u32>,
    /// `log_id` of the last line of the previous page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
}

/// Query of a job's events.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobEventFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
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
    /// Whether somebody should act on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub actionable: bool,
}

/// An event in the life of a job, besides its status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::job_event)]
pub struct JobEvent {
    /// Id, UUID v7.
    #[schema(value_type = Uuid)]
    pub id: JobEventId,
    /// Kind of event, such as `job.finished_late`.
    pub kind: String,
    /// Who caused it: a user's name, `key:NAME`, `service:NAME`, or a worker's credential; null: the hub.
    #[serde(default)]
    pub actor: Option<String>,
    /// Details; depend on `kind`.
    pub detail: Value,
    /// When it happened.
    pub created_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_for_a_job_takes_both_spellings_and_nothing_else() {
        let snake = json!({"automation_id": 7, "parameters": {"cnpj": "1"}, "priority": 9, "timeout_s": 1, "queue_timeout_s": 2,
            "max_attempts": 3, "cancel_grace_s": 4, "concurrency_key": "k", "not_before": "2026-01-01T00:00:00Z", "idempotency_key": "i",
            "overlap": "skip", "max_concurrency": 5, "retry_backoff_s": 6});
        let camel = json!({"automationId": 7, "parameters": {"cnpj": "1"}, "priority": 9, "timeoutS": 1, "queueTimeoutS": 2,
            "maxAttempts": 3, "cancelGraceS": 4, "concurrencyKey": "k", "notBefore": "2026-01-01T00:00:00Z", "idempotencyKey": "i",
            "overlap": "skip", "maxConcurrency": 5, "retryBackoffS": 6});
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
            overlap: Some(Overlap::Skip),
            max_concurrency: Some(5),
            retry_backoff_s: Some(6),
        };
        assert_eq!(request.overrides(), expected);
        let least: JobCreate = serde_json::from_value(json!({"automation_id": 7})).unwrap();
        assert_eq!((least.parameters.len(), least.overrides()), (0, Overrides::default()));
        for bad in [json!({}), json!({"automation_id": 7, "status": "running"}), json!({"automation_id": 7, "parameters": [1]})] {
            assert!(serde_json::from_value::<JobCreate>(bad.clone()).is_err(), "{bad}");
        }
    }
}
