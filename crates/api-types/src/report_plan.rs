use chrono::{DateTime, Utc};
use domain::{
    ids::{ChannelId, DomainId, NotificationId, ReportPlanId},
    notification::channel::Weekday,
    report::Period,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{automation::present, examples, schema};

/// When a report is sent by itself, and over which channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::report_plan)]
pub struct ReportPlan {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: ReportPlanId,
    /// What it is for.
    pub name: String,
    /// What it reports: the last day, or the last week from Monday, that is over.
    #[schema(value_type = schema::ReportPeriod)]
    pub period: Period,
    /// The day on which a weekly one is sent; null of a daily one.
    #[schema(value_type = Option<schema::Weekday>)]
    pub weekday: Option<Weekday>,
    /// When on that day, as `HH:MM` or `HH:MM:SS`.
    pub at: String,
    /// IANA name of the zone of the time and of the days that it reports.
    pub timezone: String,
    /// Only the automations of this domain; null: all.
    #[schema(value_type = Option<Uuid>)]
    pub domain_id: Option<DomainId>,
    /// E-mail channels, in whose languages it is written.
    #[schema(value_type = Vec<Uuid>)]
    pub channels: Vec<ChannelId>,
    /// Whether it is sent.
    pub enabled: bool,
    /// When it is sent next; null: it is off.
    pub due_at: Option<DateTime<Utc>>,
    /// When it was sent last by itself.
    pub last_sent_at: Option<DateTime<Utc>>,
    /// Counts its changes.
    pub revision: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Who created it.
    pub created_by: String,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who changed it last.
    pub updated_by: String,
}

/// A new report plan.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::report_plan_create)]
pub struct ReportPlanCreate {
    /// What it is for.
    #[schema(value_type = schema::GivenName)]
    pub name: String,
    /// What it reports; absent: a day.
    #[serde(default)]
    #[schema(value_type = schema::ReportPeriod, required = false)]
    pub period: Period,
    /// The day on which a weekly one is sent; absent: Monday.
    #[serde(default)]
    #[schema(value_type = Option<schema::Weekday>)]
    pub weekday: Option<Weekday>,
    /// When on that day, as `HH:MM` or `HH:MM:SS`.
    #[schema(value_type = schema::TimeOfDay)]
    pub at: String,
    /// IANA name of the zone of the time and of the days; absent: the hub's.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Only the automations of this domain; absent: all.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub domain_id: Option<DomainId>,
    /// E-mail channels, 1 to 20.
    #[schema(value_type = Vec<Uuid>, min_items = 1, max_items = 20)]
    pub channels: Vec<ChannelId>,
    /// Whether it is sent; absent: it is.
    #[serde(default = "on")]
    #[schema(required = false)]
    pub enabled: bool,
}

const fn on() -> bool {
    true
}

/// Changes of a report plan. Absent fields keep their values.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::report_plan_update)]
pub struct ReportPlanUpdate {
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::GivenName>)]
    pub name: Option<String>,
    /// What it reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ReportPeriod>)]
    pub period: Option<Period>,
    /// The day on which a weekly one is sent; null: Monday.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Weekday>)]
    pub weekday: Option<Option<Weekday>>,
    /// When on that day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TimeOfDay>)]
    pub at: Option<String>,
    /// IANA name of the zone of the time and of the days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Only the automations of this domain; null: all.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub domain_id: Option<Option<DomainId>>,
    /// E-mail channels, in the place of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Uuid>>, min_items = 1, max_items = 20)]
    pub channels: Option<Vec<ChannelId>>,
    /// Whether it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The revision that was read: 409 if it is another one now. Absent: the last change counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
}

/// Selects report plans.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportPlanFilter {
    /// Page size, 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// The id of the last plan of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<ReportPlanId>,
    /// Only the one with this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Only those that are on, or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A report that was put into the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::report_plan_sent)]
pub struct ReportPlanSent {
    /// A notification for each channel of the plan that is on; what became of it is at `GET /notifications/{id}`.
    #[schema(value_type = Vec<Uuid>)]
    pub notifications: Vec<NotificationId>,
}
