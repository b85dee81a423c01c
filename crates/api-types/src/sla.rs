use chrono::{DateTime, Utc};
use domain::{
    alert::{AlertType, Severity},
    duration::Sensitivity,
    ids::{AutomationId, CalendarId, ChannelId, DomainId, SlaId},
    sla::Standing,
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    automation::{given, present},
    examples, schema,
};

/// An SLA rule: what is expected of an automation, of a queue, of the automations of a domain, or of everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::sla)]
pub struct Sla {
    /// Id, UUID v7.
    #[schema(value_type = Uuid)]
    pub id: SlaId,
    /// Name, unique.
    pub name: String,
    /// The automation that it is about. Without automation, queue and domain it is about everything.
    #[schema(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Name of that automation.
    #[serde(default)]
    pub automation_name: Option<String>,
    /// The queue that it is about.
    pub queue: Option<String>,
    /// The domain whose automations it is about.
    #[schema(value_type = Option<Uuid>)]
    pub domain_id: Option<DomainId>,
    /// A run succeeds at least so often, in minutes.
    pub expected_run_every_minutes: Option<i64>,
    /// A run has succeeded by this time of each day, as `HH:MM`.
    pub expected_daily_time: Option<String>,
    /// How long before the daily time a run counts that no schedule started, in minutes.
    pub early_minutes: i64,
    /// How long after its deadline a run is late, in minutes.
    pub late_after_minutes: i64,
    /// Whether a late run is an alert; false: only the state says so.
    pub alert_on_late: bool,
    /// Whether a failed run is an alert, after its last retry.
    pub alert_on_failure: bool,
    /// So many failures in a row are an alert.
    pub failure_streak: Option<i64>,
    /// More failures of the last runs than this are an alert.
    pub failure_rate: Option<SlaFailureRate>,
    /// A run takes at most so long, in seconds, without its pauses.
    pub max_duration_s: Option<i64>,
    /// A run takes at least so long, in seconds.
    pub min_duration_s: Option<i64>,
    /// A run takes about as long as those of its hour and weekday before it, also while it runs.
    pub duration_anomaly: Option<SlaDurationAnomaly>,
    /// Whether a deadline that will probably be missed is an alert before it is.
    pub forecast: bool,
    /// A job that may start waits at most so long, in seconds.
    pub max_pending_age_s: Option<i64>,
    /// At most so many jobs that may start wait.
    pub max_backlog: Option<i64>,
    /// A worker is heard of at least so often, in seconds.
    pub worker_gone_after_s: Option<i64>,
    /// Whether a schedule that is switched on and will not run again is an alert.
    pub alert_on_dead_schedule: bool,
    /// Whether a part of the hub that is stuck is an alert.
    pub watch_hub: bool,
    /// Deadlines are on its business days only, intervals count in its hours only, and in its blackouts nothing is late.
    #[schema(value_type = Option<Uuid>)]
    pub calendar_id: Option<CalendarId>,
    /// IANA time zone whose clock is meant.
    pub timezone: String,
    /// How bad its alerts are at first.
    #[schema(value_type = schema::Severity)]
    pub severity: Severity,
    /// How bad they become with time, while nobody acknowledges them.
    pub escalate: Vec<SlaEscalation>,
    /// How often people are reminded of an open alert that nobody acknowledged, in minutes; null: never.
    pub repeat_every_minutes: Option<u32>,
    /// How long a measured limit must be kept again before its alert is resolved, in minutes.
    pub resolve_after_minutes: u32,
    /// Channels that its alerts go to; empty: routing decides.
    #[schema(value_type = Vec<Uuid>)]
    pub notify_channels: Vec<ChannelId>,
    /// What to do, in Markdown.
    pub note: String,
    /// Whether it is judged.
    pub enabled: bool,
    /// Nobody is notified before this time.
    pub muted_until: Option<DateTime<Utc>>,
    /// What was before does not count: the rule was created, switched on, or expected something else.
    pub since_at: DateTime<Utc>,
    /// When it is judged next; null: when a run ends or something is changed. In the past: at once.
    pub next_look_at: Option<DateTime<Utc>>,
    /// How each expectation of each subject is. Of one rule only; empty in lists.
    #[serde(default)]
    pub states: Vec<SlaState>,
    /// Number of its changes. A change that names an outdated one is answered 409.
    pub revision: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who created or last changed it.
    pub updated_by: Option<String>,
}

/// How many of the last runs may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SlaFailureRate {
    /// More than this percentage is an alert.
    #[schema(minimum = 0, maximum = 99)]
    pub percent: i64,
    /// Of the last so many runs. One of `runs` and `window_minutes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub runs: Option<i64>,
    /// Of the runs of the last so many minutes.
    #[serde(default, alias = "windowMinutes", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 527_040)]
    pub window_minutes: Option<i64>,
    /// Not before so many runs.
    #[serde(default = "one", alias = "atLeast")]
    #[schema(minimum = 1, maximum = 1000, default = 1)]
    pub at_least: i64,
}

const fn one() -> i64 {
    1
}

/// How far a run may be from what is usual for its automation. It is judged from 30 runs on that succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SlaDurationAnomaly {
    /// How unusual it must be: `low` only what is far out, `high` sooner, with more false alarms. Default: `normal`.
    #[schema(value_type = Option<schema::AnomalySensitivity>)]
    pub sensitivity: Sensitivity,
}

/// A step of an escalation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SlaEscalation {
    /// Minutes after the alert opened.
    #[serde(alias = "afterMinutes")]
    #[schema(minimum = 1, maximum = 527_040)]
    pub after_minutes: u32,
    /// How bad it is from then on; worse than before.
    #[schema(value_type = schema::Severity)]
    pub severity: Severity,
}

/// How one expectation of one subject is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SlaState {
    /// The type of its alerts.
    #[serde(rename = "type")]
    #[schema(value_type = schema::AlertType)]
    pub alert_type: AlertType,
    /// What it is about: `automation`, `queue`, `worker`, `schedule` or `hub`.
    pub subject_kind: String,
    /// Its id, or its name.
    pub subject: String,
    /// Name of the automation, worker or schedule.
    #[serde(default)]
    pub subject_name: Option<String>,
    /// How it is: `fine`, `breached`, `recovering`, `held` (paused on purpose), `closed` (a blackout, or out of the calendar's hours) or `learning` (fewer
    /// than 30 runs have succeeded).
    #[schema(value_type = schema::SlaStanding)]
    pub standing: Standing,
    /// When the breach began.
    pub breached_at: Option<DateTime<Utc>>,
    /// When it is judged next; null: when a run ends or something is changed.
    pub due_at: Option<DateTime<Utc>>,
}

/// An SLA rule to create, or a change to one. Absent fields keep their values, or have their defaults; null clears a field. The answer of `GET` can be
/// sent back: what it computes is ignored, and an outdated `revision` is answered 409.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::sla_update)]
pub struct SlaUpdate {
    /// Name, unique. Default: made of what it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::GivenName>)]
    pub name: Option<String>,
    /// The automation that it is about. Without automation, queue and domain it is about everything.
    #[serde(
        alias = "automationId",
        alias = "robot_id",
        alias = "robotId",
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<i32>)]
    pub automation_id: Option<Option<AutomationId>>,
    /// The queue that it is about.
    #[serde(alias = "queue_name", alias = "queueName", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    pub queue: Option<Option<String>>,
    /// The domain whose automations it is about.
    #[serde(alias = "domainId", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub domain_id: Option<Option<DomainId>>,
    /// A run succeeds at least so often, in minutes.
    #[serde(alias = "expectedRunEveryMinutes", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 527_040)]
    pub expected_run_every_minutes: Option<Option<i64>>,
    /// A run has succeeded by this time of each day.
    #[serde(alias = "expectedDailyTime", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TimeOfDay>)]
    pub expected_daily_time: Option<Option<String>>,
    /// How long before the daily time a run counts that no schedule started, in minutes. Default: 180.
    #[serde(alias = "earlyMinutes", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1440)]
    pub early_minutes: Option<i64>,
    /// How long after its deadline a run is late, in minutes. Default: 0.
    #[serde(alias = "lateAfterMinutes", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 527_040)]
    pub late_after_minutes: Option<i64>,
    /// Whether a late run is an alert. Default: true.
    #[serde(alias = "alertOnLate", skip_serializing_if = "Option::is_none")]
    pub alert_on_late: Option<bool>,
    /// Whether a failed run is an alert, after its last retry. Default: false.
    #[serde(alias = "alertOnFailure", skip_serializing_if = "Option::is_none")]
    pub alert_on_failure: Option<bool>,
    /// So many failures in a row are an alert.
    #[serde(alias = "failureStreak", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 2, maximum = 1000)]
    pub failure_streak: Option<Option<i64>>,
    /// More failures of the last runs than this are an alert.
    #[serde(alias = "failureRate", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SlaFailureRate>)]
    pub failure_rate: Option<Option<SlaFailureRate>>,
    /// A run takes at most so long, in seconds, without its pauses.
    #[serde(alias = "maxDurationS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 31_622_400)]
    pub max_duration_s: Option<Option<i64>>,
    /// A run takes at least so long, in seconds; less than `max_duration_s`.
    #[serde(alias = "minDurationS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 31_622_400)]
    pub min_duration_s: Option<Option<i64>>,
    /// A run takes about as long as those of its hour and weekday before it, also while it runs.
    #[serde(alias = "durationAnomaly", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SlaDurationAnomaly>)]
    pub duration_anomaly: Option<Option<SlaDurationAnomaly>>,
    /// Whether a deadline that will probably be missed is an alert before it is; of a rule with a deadline only. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<bool>,
    /// A job that may start waits at most so long, in seconds.
    #[serde(alias = "maxPendingAgeS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 31_622_400)]
    pub max_pending_age_s: Option<Option<i64>>,
    /// At most so many jobs that may start wait.
    #[serde(alias = "maxBacklog", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000)]
    pub max_backlog: Option<Option<i64>>,
    /// A worker is heard of at least so often, in seconds.
    #[serde(alias = "workerGoneAfterS", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 10, maximum = 604_800)]
    pub worker_gone_after_s: Option<Option<i64>>,
    /// Whether a schedule that is switched on and will not run again is an alert. Default: false.
    #[serde(alias = "alertOnDeadSchedule", skip_serializing_if = "Option::is_none")]
    pub alert_on_dead_schedule: Option<bool>,
    /// Whether a part of the hub that is stuck is an alert; of a rule for everything only. Default: false.
    #[serde(alias = "watchHub", skip_serializing_if = "Option::is_none")]
    pub watch_hub: Option<bool>,
    /// Calendar whose days, hours and blackouts count for deadlines.
    #[serde(alias = "calendarId", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub calendar_id: Option<Option<CalendarId>>,
    /// IANA time zone whose clock is meant. Default: the hub's setting `time.zone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100)]
    pub timezone: Option<String>,
    /// How bad its alerts are at first. Default: `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Severity>)]
    pub severity: Option<Severity>,
    /// How bad they become with time: steps, each later and worse than the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 20)]
    pub escalate: Option<Vec<SlaEscalation>>,
    /// How often people are reminded, in minutes; null: never.
    #[serde(alias = "repeatEveryMinutes", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 527_040)]
    pub repeat_every_minutes: Option<Option<u32>>,
    /// How long a measured limit must be kept again before its alert is resolved, in minutes. Default: 2.
    #[serde(alias = "resolveAfterMinutes", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1440)]
    pub resolve_after_minutes: Option<u32>,
    /// Channels that its alerts go to; empty: routing decides.
    #[serde(alias = "notifyChannels", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Uuid>>, max_items = 20)]
    pub notify_channels: Option<Vec<ChannelId>>,
    /// What to do, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 10_000)]
    pub note: Option<String>,
    /// Whether it is judged. Default: true.
    #[serde(alias = "is_enabled", alias = "isEnabled", skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Nobody is notified before this time; null: everybody is.
    #[serde(alias = "mutedUntil", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub muted_until: Option<Option<DateTime<Utc>>>,
    /// The revision that is changed; an outdated one is answered 409. Absent: whatever is current.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub id: Option<Value>,
    /// Ignored beside `automation_id`, and refused without it: a rule that names its automation in this way alone would be about everything.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub automation_name: Option<String>,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub since_at: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub next_look_at: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub states: IgnoredAny,
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

/// How long nobody is notified of a rule's alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::sla_mute)]
pub struct SlaMute {
    /// Until then; null: everybody is notified again.
    pub until: Option<DateTime<Utc>>,
}

/// Query of the list of SLA rules.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SlaFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only those of this automation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only those of this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255, pattern = r"^[^\u0000]*$")]
    pub queue: Option<String>,
    /// Only those of the domain with this slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 100, pattern = r"^[^\u0000]*$")]
    pub domain: Option<String>,
    /// Only those that are switched on, or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Only the one with this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200, pattern = r"^[^\u0000]*$")]
    pub name: Option<String>,
    /// Only those with this text in their name, in upper or lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200, pattern = r"^[^\u0000]*$")]
    pub search: Option<String>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<SlaId>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_answer_can_be_sent_back() {
        let answer = examples::sla();
        let read: SlaUpdate = serde_json::from_value(answer.clone()).unwrap();
        let sent = serde_json::to_value(&read).unwrap();
        for (field, value) in answer.as_object().unwrap() {
            let is_computed = ["automation_name", "since_at", "next_look_at", "states", "created_at", "updated_at", "updated_by"]
                .contains(&field.as_str());
            assert_eq!(sent.get(field), Some(value).filter(|_| !is_computed), "{field}");
        }
        assert!(serde_json::from_value::<SlaUpdate>(json!({"late_after": 5})).is_err());
    }

    #[test]
    fn the_record_of_older_systems_is_a_rule() {
        let record = json!({"robot_id": 7, "expected_run_every_minutes": 60, "expected_daily_time": null, "late_after_minutes": 10,
            "alert_on_failure": true, "alert_on_late": true, "notify_channels": []});
        let read: SlaUpdate = serde_json::from_value(record).unwrap();
        assert_eq!((read.automation_id, read.expected_daily_time), (Some(Some(7.into())), Some(None)));
        let camel =
            json!({"automationId": 7, "expectedRunEveryMinutes": 60, "lateAfterMinutes": 10, "notifyChannels": [], "isEnabled": false});
        let read: SlaUpdate = serde_json::from_value(camel).unwrap();
        assert_eq!((read.expected_run_every_minutes, read.enabled), (Some(Some(60)), Some(false)));
    }
}
