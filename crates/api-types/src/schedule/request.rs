use chrono::{DateTime, Utc};
use domain::{
    calendar::OnBlackout,
    ids::{AutomationId, CalendarId, VersionId},
    policy::Overlap,
    schedule::MisfirePolicy,
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    automation::{given, present},
    examples, schema,
};

/// A new schedule, or a change to one. Absent fields have their defaults in a new schedule and keep their values in a change; null clears an
/// optional field. The answer of `GET` can be sent back: what it computes is ignored, and an outdated `revision` is answered 409.
///
/// A schedule has one of `cron_expression`, `interval_s` and `run_once_at`; a change that sets one of them clears the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::schedule_update)]
pub struct ScheduleUpdate {
    /// Automation whose jobs it creates. Required in a new schedule; a change accepts the current one.
    #[serde(alias = "automationId", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i32, required = false)]
    pub automation_id: Option<AutomationId>,
    /// Name, unique within its automation; at most 200 characters. Absent in a new schedule: `Schedule` and a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::GivenName, required = false)]
    pub name: Option<String>,
    /// When it is due: a cron expression of 5 fields (minute, hour, day of month, month, day of week), or of 6 with seconds first.
    #[serde(alias = "cronExpression", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 256)]
    pub cron_expression: Option<Option<String>>,
    /// When it is due: every so many seconds from `start_at`, else from when it was created. 1 to 158112000.
    #[serde(alias = "intervalS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 158_112_000)]
    pub interval_s: Option<Option<i64>>,
    /// When it is due: once, in the future.
    #[serde(alias = "runOnceAt", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub run_once_at: Option<Option<DateTime<Utc>>>,
    /// IANA time zone whose clock is meant. Default: the hub's setting `time.zone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 100)]
    pub timezone: Option<String>,
    /// Calendar that it obeys. Default: none.
    #[serde(alias = "calendarId", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub calendar_id: Option<Option<CalendarId>>,
    /// What the calendar's days do: `only` (default), `except`, `next_business_day`, `previous_business_day` or `nth_business_day`.
    #[serde(alias = "calendarRule", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::CalendarRule, required = false)]
    pub calendar_rule: Option<String>,
    /// The n of `nth_business_day`, 1 to 23, or -1 (the last business day of the month) to -23.
    #[serde(alias = "businessDay", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>, minimum = -23, maximum = 23)]
    pub business_day: Option<Option<i32>>,
    /// What the calendar's blackouts do to fires in them: `skip` (default) or `hold`.
    #[serde(alias = "onBlackout", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::OnBlackout, required = false)]
    pub on_blackout: Option<OnBlackout>,
    /// Begin of the hours in which it fires, in its time zone. Default: all day.
    #[serde(alias = "windowStart", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TimeOfDay>)]
    pub window_start: Option<Option<String>>,
    /// End of the hours in which it fires, itself not among them; earlier than `window_start`: on the next day.
    #[serde(alias = "windowEnd", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TimeOfDay>)]
    pub window_end: Option<Option<String>>,
    /// Each run starts up to so many seconds after its slot, 0 (default) to 3600.
    #[serde(alias = "jitterS", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 3600)]
    pub jitter_s: Option<i64>,
    /// It does not fire before this time.
    #[serde(alias = "startAt", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub start_at: Option<Option<DateTime<Utc>>>,
    /// It does not fire at this time or later.
    #[serde(alias = "endAt", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub end_at: Option<Option<DateTime<Utc>>>,
    /// Whether it fires at all (default true). `is_enabled` is accepted too.
    #[serde(alias = "is_enabled", alias = "isEnabled", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    pub enabled: Option<bool>,
    /// What happens to missed slots: `skip` (default), `last` or `all`.
    #[serde(alias = "misfirePolicy", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::MisfirePolicy, required = false)]
    pub misfire_policy: Option<MisfirePolicy>,
    /// How many missed slots run under `all`: the last ones, 1 to 1000 (default 100).
    #[serde(alias = "misfireLimit", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i32, required = false, minimum = 1, maximum = 1000)]
    pub misfire_limit: Option<u32>,
    /// A slot that is at most so many seconds late is not missed, 0 to 604800 (default 60).
    #[serde(alias = "misfireGraceS", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 604_800)]
    pub misfire_grace_s: Option<i64>,
    /// Parameters of its jobs. Strings in them, at any depth, may have placeholders such as `{{today}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub parameters: Option<Map<String, Value>>,
    /// Priority of its jobs, 0 to 9. Default, as with the fields below: the automation's.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 9)]
    pub priority: Option<Option<i32>>,
    /// Time limit of its jobs in seconds, 1 to 2592000.
    #[serde(alias = "timeoutS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 2_592_000)]
    pub timeout_s: Option<Option<i64>>,
    /// Maximum attempts of its jobs, the first run included, 1 to 100.
    #[serde(alias = "maxAttempts", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 100)]
    pub max_attempts: Option<Option<u32>>,
    /// Seconds before the second attempt, 0 to 86400.
    #[serde(alias = "retryBackoffS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 86_400)]
    pub retry_backoff_s: Option<Option<i64>>,
    /// What a fire does while a job of the automation (with the same concurrency key) is pending or running.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Overlap>)]
    pub overlap: Option<Option<Overlap>>,
    /// Maximum number of its jobs that run at the same time, 1 to 10000.
    #[serde(alias = "maxConcurrency", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 10_000)]
    pub max_concurrency: Option<Option<u32>>,
    /// Seconds that a job may stay pending, 1 to 2592000.
    #[serde(alias = "queueTimeoutS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 2_592_000)]
    pub queue_timeout_s: Option<Option<i64>>,
    /// Seconds that a canceled program has to stop before it is killed, 0 to 3600.
    #[serde(alias = "cancelGraceS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 3600)]
    pub cancel_grace_s: Option<Option<i64>>,
    /// Concurrency key of its jobs, literally.
    #[serde(alias = "concurrencyKey", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ConcurrencyKey>)]
    pub concurrency_key: Option<Option<String>>,
    /// Version that its jobs run. Default: the one that is installed on the worker.
    #[serde(alias = "versionId", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub version_id: Option<Option<VersionId>>,
    /// Environment whose configuration its jobs receive, such as `PROD`.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    pub environment: Option<Option<String>>,
    /// The revision that is changed; an outdated one is answered 409. Absent: whatever is current. Ignored in a new schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    pub revision: Option<i64>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub id: Option<Value>,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub automation_name: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub words: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub state: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub state_reason: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub next_fires: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub last_fires: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub paused_at: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub paused_until: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub paused_reason: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub paused_by: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub created_at: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub updated_at: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub updated_by: IgnoredAny,
}

/// A [`ScheduleUpdate`] that makes a new schedule: it names the automation.
#[derive(Debug)]
pub struct ScheduleCreate;

impl PartialSchema for ScheduleCreate {
    fn schema() -> RefOr<Schema> {
        let mut schema = ScheduleUpdate::schema();
        if let RefOr::T(Schema::Object(request)) = &mut schema {
            request.required.push("automation_id".to_owned());
            request.example = Some(examples::schedule_create());
            request.description = Some("A new schedule. Fields that are absent or null have their defaults.".to_owned());
        }
        schema
    }
}

impl ToSchema for ScheduleCreate {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        ScheduleUpdate::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_spellings_of_older_clients_are_accepted() {
        let read: ScheduleUpdate = serde_json::from_value(json!({
            "automationId": 7, "cronExpression": "0 8 * * *", "parameters": {"a": 1}, "isEnabled": false, "windowStart": "07:00", "calendarId": null
        }))
        .unwrap();
        let same: ScheduleUpdate = serde_json::from_value(json!({
            "automation_id": 7, "cron_expression": "0 8 * * *", "parameters": {"a": 1}, "is_enabled": false, "window_start": "07:00", "calendar_id": null
        }))
        .unwrap();
        assert_eq!(read, same);
        assert_eq!((read.enabled, read.calendar_id, read.priority), (Some(false), Some(None), None));
    }

    #[test]
    fn the_answer_can_be_sent_back() {
        let answer = examples::schedule();
        let read: ScheduleUpdate = serde_json::from_value(answer.clone()).unwrap();
        let sent = serde_json::to_value(&read).unwrap();
        for field in ["id", "automation_id", "name", "cron_expression", "interval_s", "window_start", "parameters", "revision", "enabled"] {
            assert_eq!(sent[field], answer[field], "{field}");
        }
        assert_eq!(sent.get("next_fires"), None);
        assert!(serde_json::from_value::<ScheduleUpdate>(json!({"cron": "0 8 * * *"})).is_err());
    }

    #[test]
    fn a_new_schedule_names_its_automation() {
        let schema = serde_json::to_value(ScheduleCreate::schema()).unwrap();
        assert_eq!(schema["required"], json!(["automation_id"]));
        assert_eq!(serde_json::to_value(ScheduleUpdate::schema()).unwrap().get("required"), None);
    }
}
