use chrono::{DateTime, NaiveDateTime, Utc};
use domain::{
    calendar::OnBlackout,
    ids::{AutomationId, CalendarId, JobId, ScheduleId},
    schedule::FireState,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{NextFire, ScheduleWords};
use crate::{examples, schema};

/// What became of a slot of a schedule, or of several in a row that were skipped for one reason; or what is to come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::fire)]
pub struct Fire {
    /// Schedule.
    #[schema(value_type = Uuid)]
    pub schedule_id: ScheduleId,
    /// Name of the schedule.
    pub schedule_name: String,
    /// Automation of the schedule.
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// The slot, or the first of several.
    pub slot_at: DateTime<Utc>,
    /// The same on the clock of the schedule's time zone.
    #[schema(value_type = String, pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$")]
    pub local: NaiveDateTime,
    /// The last of several slots; otherwise `slot_at`.
    pub last_slot_at: DateTime<Utc>,
    /// How many slots.
    pub slots: u32,
    /// Whether there were more slots than counted.
    pub more: bool,
    /// When its job was due: after jitter, and after a blackout that held it. Null: it was skipped.
    pub run_at: Option<DateTime<Utc>>,
    /// `created`, `skipped`, `refused` or `planned`.
    #[schema(value_type = schema::FireState)]
    pub state: FireState,
    /// Why it did not run, for programs: `missed`, `over_limit`, `paused`, `blackout`, or the code of the refusal. Of one that is to come:
    /// `paused`, if the schedule will be paused then.
    pub reason: Option<String>,
    /// Why the job was refused, for people.
    pub detail: Option<String>,
    /// Its job; of a fire that the overlap rule skipped, the job that was in its way.
    #[schema(value_type = Option<Uuid>)]
    pub job_id: Option<JobId>,
    /// When that was decided; null: it is to come.
    pub decided_at: Option<DateTime<Utc>>,
    /// Seconds from `run_at` to `decided_at`: how late it was.
    pub lateness_s: Option<f64>,
}

/// Query of the list of schedules.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ScheduleFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<ScheduleId>,
    /// Only those of this automation.
    #[serde(alias = "automationId", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only those of automations of the domain with this slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Slug>)]
    pub domain: Option<String>,
    /// Only those with this calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub calendar_id: Option<CalendarId>,
    /// Only those with this name, exactly: one at most of each automation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200, pattern = r"^[^\u0000]*$")]
    pub name: Option<String>,
    /// Only those with this text in their name, whatever its case; at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200, pattern = r"^[^\u0000]*$")]
    pub search: Option<String>,
    /// Only those in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::ScheduleState>)]
    pub state: Option<String>,
    /// Whether those that are switched off are included.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// Query of the preview of a schedule.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SchedulePreviewQuery {
    /// Cron expression, of 5 fields, or of 6 with seconds first.
    #[serde(alias = "cron_expression")]
    #[param(max_length = 256)]
    pub cron: String,
    /// IANA time zone whose clock is meant. Absent: the hub's setting `time.zone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 100)]
    pub timezone: Option<String>,
    /// Id or name of a calendar.
    #[serde(alias = "calendar_id", skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200, pattern = r"^[^\u0000]*$")]
    pub calendar: Option<String>,
    /// What the calendar's days do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::CalendarRule>)]
    pub calendar_rule: Option<String>,
    /// The n of `nth_business_day`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = -23, maximum = 23)]
    pub business_day: Option<i32>,
    /// What the calendar's blackouts do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::OnBlackout>)]
    pub on_blackout: Option<OnBlackout>,
    /// Begin of the hours in which it fires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::TimeOfDay>)]
    pub window_start: Option<String>,
    /// End of the hours in which it fires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::TimeOfDay>)]
    pub window_end: Option<String>,
    /// Fires after this time: RFC 3339, or a date, which means 00:00 UTC. Absent: now.
    #[serde(deserialize_with = "crate::moment::optional", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Moment>)]
    pub from: Option<DateTime<Utc>>,
    /// How many fires, 1 to 1000 (default 10).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub n: Option<u32>,
}

/// When a schedule would fire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::schedule_preview)]
pub struct SchedulePreview {
    /// The expression.
    pub cron_expression: String,
    /// The time zone, in the database's spelling.
    pub timezone: String,
    /// When it is due, in words.
    pub words: ScheduleWords,
    /// The next fires.
    pub next_fires: Vec<NextFire>,
}

/// Query of the fires of all schedules between two times, in order.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FireFilter {
    /// Fires at this time or later: RFC 3339, or a date, which means 00:00 UTC. Absent: now.
    #[serde(deserialize_with = "crate::moment::optional", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Moment>)]
    pub from: Option<DateTime<Utc>>,
    /// Fires before this time, at most 366 days after `from`. Absent: 7 days after it.
    #[serde(deserialize_with = "crate::moment::optional", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Moment>)]
    pub to: Option<DateTime<Utc>>,
    /// Only those of this schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub schedule_id: Option<ScheduleId>,
    /// Only those of schedules of this automation.
    #[serde(alias = "automationId", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only those of schedules of automations of the domain with this slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Slug>)]
    pub domain: Option<String>,
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Slot and schedule of the last item of the previous page, as that page's `Link` header has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Query of the export of schedules.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ScheduleExportFilter {
    /// Only those of this automation.
    #[serde(alias = "automationId", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only those of automations of the domain with this slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Slug>)]
    pub domain: Option<String>,
}
