use chrono::{DateTime, Utc};
use domain::ids::{AutomationId, ScheduleId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// Which schedules a request about several of them means: the part that [`SchedulePauseRequest`] and [`ScheduleResumeRequest`] have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduleSelection {
    /// Only these schedules.
    pub ids: Vec<ScheduleId>,
    /// Only schedules of this automation.
    pub automation_id: Option<AutomationId>,
    /// Only schedules of automations of the domain with this slug.
    pub domain: Option<String>,
    /// Every schedule; must be true without another condition, and false with one.
    pub all: bool,
    /// Count the schedules, change nothing.
    pub dry_run: bool,
}

impl From<SchedulePauseRequest> for ScheduleSelection {
    fn from(SchedulePauseRequest { ids, automation_id, domain, all, until: _, reason: _, dry_run }: SchedulePauseRequest) -> Self {
        Self { ids, automation_id, domain, all, dry_run }
    }
}

impl From<ScheduleResumeRequest> for ScheduleSelection {
    fn from(ScheduleResumeRequest { ids, automation_id, domain, all, dry_run }: ScheduleResumeRequest) -> Self {
        Self { ids, automation_id, domain, all, dry_run }
    }
}

/// Selects schedules to pause. A schedule must meet every condition; `all` is required without one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"all": true, "until": "2026-12-01T06:00:00Z", "reason": "Maintenance of the ERP"}))]
pub struct SchedulePauseRequest {
    /// Only these schedules, at most 1000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000, value_type = Vec<Uuid>)]
    pub ids: Vec<ScheduleId>,
    /// Only schedules of this automation.
    #[serde(alias = "automationId", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only schedules of automations of the domain with this slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Slug>)]
    pub domain: Option<String>,
    /// Every schedule that the caller may pause. Such a pause must have an end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// When the pause ends; must be in the future. Absent: when somebody resumes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Reason, for people; at most 500 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub reason: Option<String>,
    /// Count the schedules, change nothing.
    #[serde(alias = "dryRun", skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// Selects schedules to resume. A schedule must meet every condition; `all` is required without one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"domain": "finance"}))]
pub struct ScheduleResumeRequest {
    /// Only these schedules, at most 1000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000, value_type = Vec<Uuid>)]
    pub ids: Vec<ScheduleId>,
    /// Only schedules of this automation.
    #[serde(alias = "automationId", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only schedules of automations of the domain with this slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Slug>)]
    pub domain: Option<String>,
    /// Every schedule that the caller may resume.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Count the schedules, change nothing.
    #[serde(alias = "dryRun", skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// Outcome of a request that pauses or resumes several schedules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"dry_run": false, "matched": 12, "done": 11}))]
pub struct ScheduleBulkResponse {
    /// Whether schedules were only counted.
    pub dry_run: bool,
    /// Schedules that meet the conditions.
    pub matched: u64,
    /// Schedules that were paused, or whose pause was ended.
    pub done: u64,
}
