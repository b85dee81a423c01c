//! Reports of how automations did, for people. (`report.rs` has what workers report.)

use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    ids::{AutomationId, JobId},
    report::Period,
    schedule::words::Language,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{examples, schema};

/// How the automations of a domain, or all that the caller may read, did in a day or a week.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::activity_report)]
pub struct ActivityReport {
    /// Slug of the domain; null: all.
    pub domain: Option<String>,
    /// Length of the period.
    #[schema(value_type = schema::ReportPeriod)]
    pub period: Period,
    /// Time zone of its days.
    pub timezone: String,
    /// Its first day.
    pub first_day: NaiveDate,
    /// When it begins.
    pub from: DateTime<Utc>,
    /// When it is over. Of a period under way, a time to come.
    pub until: DateTime<Utc>,
    /// Runs that ended in it.
    pub runs: RunCounts,
    /// Runs that ended in the period before.
    pub runs_before: RunCounts,
    /// Runs that ended on each of its days.
    pub by_day: Vec<RunCounts>,
    /// How often an automation was late.
    pub late: u64,
    /// Hours that people did not have to work: completed runs, each with the `manual_minutes` of its automation.
    pub hours_saved: f64,
    /// Its automations, those with failures first, then late ones, then by runs.
    pub automations: Vec<AutomationActivity>,
    /// The most frequent classes of failures, ten at most.
    pub failures: Vec<FailureActivity>,
    /// Automations whose runs took longer than usual, the slowest first, ten at most.
    pub slowest: Vec<SlowAutomation>,
}

/// How many runs ended how. A run counts once, by its last attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunCounts {
    /// All of them.
    pub total: u64,
    /// Completed, with data.
    pub completed: u64,
    /// Completed, no data.
    pub completed_no_invoices: u64,
    /// Failed.
    pub failed: u64,
    /// Canceled.
    pub canceled: u64,
    /// Percent that completed, of those that were not canceled; null: there were none.
    pub success_percent: Option<f64>,
}

/// How one automation did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AutomationActivity {
    /// The automation.
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// Its name.
    pub automation_name: String,
    /// Its runs.
    pub runs: RunCounts,
    /// How often it was late.
    pub late: u64,
    /// Hours that people did not have to work.
    pub hours_saved: f64,
}

/// Failures of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FailureActivity {
    /// The class.
    pub error_class: String,
    /// How many runs failed so.
    pub count: u64,
    /// The last one.
    #[schema(value_type = uuid::Uuid)]
    pub job_id: JobId,
    /// Its automation.
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// Name of that.
    pub automation_name: String,
    /// Its message.
    pub message: String,
}

/// An automation whose runs took longer than usual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SlowAutomation {
    /// The automation.
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// Its name.
    pub automation_name: String,
    /// Median duration of its completed runs, in seconds.
    pub median_s: f64,
    /// The same in the four weeks before.
    pub usual_s: f64,
}

/// Selects a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportFilter {
    /// Only automations of the domain with this slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Slug>)]
    pub domain: Option<String>,
    /// A day, or a week from Monday; by default a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::ReportPeriod>)]
    pub period: Option<Period>,
    /// A day of the period; by default the last period that is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<NaiveDate>,
    /// IANA time zone of its days; by default that of the hub's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 100)]
    pub timezone: Option<String>,
    /// Language of the page; by default pt-BR.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Language>)]
    pub language: Option<Language>,
}
