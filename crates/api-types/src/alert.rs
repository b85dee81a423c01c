//! Alerts, and what people do to them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    alert::{AlertEventKind, AlertSource, AlertStatus, AlertType, Resolution, Severity, Unit, heard::Firing},
    ids::{AlertId, AutomationId, ChannelId, JobId, SlaId},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    event::{read_list, write_list},
    examples, schema,
};

/// An alert: what is wrong, since when, with whom. One rule has one open alert at most of each subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::alert)]
pub struct Alert {
    /// Id, UUID v7: newer alerts have higher ones.
    #[schema(value_type = Uuid)]
    pub id: AlertId,
    /// What is wrong.
    #[serde(rename = "type")]
    #[schema(value_type = schema::AlertType)]
    pub alert_type: AlertType,
    /// How bad it is now.
    #[schema(value_type = schema::Severity)]
    pub severity: Severity,
    /// Where it is in its life.
    #[schema(value_type = schema::AlertStatus)]
    pub status: AlertStatus,
    /// Who found it.
    #[schema(value_type = schema::AlertSource)]
    pub source: AlertSource,
    /// The rule; null: another system's.
    #[schema(value_type = Option<Uuid>)]
    pub rule_id: Option<SlaId>,
    /// Kind of what it is about: `automation`, `queue`, `worker`, `schedule`, `hub` or `external`.
    pub subject_kind: String,
    /// What it is about: an id, the name of a queue or of a part of the hub, the fingerprint of another system's alert.
    pub subject: String,
    /// The automation that it belongs to, which decides who sees it; null: those who see everything.
    #[schema(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Name of the automation.
    pub automation_name: Option<String>,
    /// What was seen last.
    pub facts: AlertFacts,
    /// How often it was breached; looks that find the same breach do not count.
    pub count: i64,
    /// When the hub found it.
    pub opened_at: DateTime<Utc>,
    /// When the first breach began.
    pub began_at: DateTime<Utc>,
    /// When it was seen last, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// Since when it is fine, while it waits to be resolved.
    pub fine_since: Option<DateTime<Utc>>,
    /// When it was acknowledged.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
    /// When it was resolved.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Who resolved it; null: the hub.
    pub resolved_by: Option<String>,
    /// Why it is over.
    #[schema(value_type = Option<schema::AlertResolution>)]
    pub resolution: Option<Resolution>,
    /// Until when nobody is told, because a person or the rule says so.
    pub muted_until: Option<DateTime<Utc>>,
    /// What to do, in Markdown: the note of the rule.
    pub note: String,
    /// The channels that the rule names; empty: routing decides.
    #[schema(value_type = Vec<Uuid>)]
    pub channels: Vec<ChannelId>,
    /// The jobs that it is about, the latest first.
    pub jobs: Vec<AlertJob>,
    /// What happened to it, oldest first, the last 500 lines; empty in lists.
    pub story: Vec<AlertEvent>,
}

/// A job of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertJob {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: JobId,
    /// Where the API has it.
    pub url: String,
}

/// What was seen. Each field is there where it means something.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertFacts {
    /// When a run should have been there.
    pub expected_at: Option<DateTime<Utc>>,
    /// When the run will probably be there.
    pub predicted_at: Option<DateTime<Utc>>,
    /// How sure that is, from 0 to 1.
    pub certainty: Option<f64>,
    /// When the last run succeeded.
    pub last_success_at: Option<DateTime<Utc>>,
    /// When a worker or a part of the hub was last heard of.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// What was measured, in `unit`.
    pub measured: Option<f64>,
    /// What it should have been at most, or at least, in `unit`.
    pub limit: Option<f64>,
    /// Unit of both.
    #[schema(value_type = Option<schema::AlertUnit>)]
    pub unit: Option<Unit>,
    /// Class of the last failure.
    pub error_class: Option<String>,
    /// Message of the last failure, cut.
    pub error_message: Option<String>,
    /// What another system, or the hub about itself, says in a line.
    pub summary: Option<String>,
    /// The same at length.
    pub description: Option<String>,
    /// Labels of another system's alert.
    pub labels: BTreeMap<String, String>,
    /// Where that system shows it.
    pub url: Option<String>,
}

/// A line of an alert's story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertEvent {
    /// When; of repetitions, the last.
    pub at: DateTime<Utc>,
    /// What happened.
    #[schema(value_type = schema::AlertEventKind)]
    pub what: AlertEventKind,
    /// Who did it; null: the hub.
    pub by: Option<String>,
    /// What there is to say of it: a comment, why it is over, how often it was breached.
    pub text: Option<String>,
}

/// Query of the list of alerts. Lists are separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertFilter {
    /// Only those in these states.
    #[serde(deserialize_with = "read_list", serialize_with = "write_list", skip_serializing_if = "Vec::is_empty")]
    #[param(value_type = Vec<schema::AlertStatus>)]
    pub status: Vec<AlertStatus>,
    /// Only those of these types.
    #[serde(rename = "type", deserialize_with = "read_list", serialize_with = "write_list", skip_serializing_if = "Vec::is_empty")]
    #[param(value_type = Vec<schema::AlertType>)]
    pub types: Vec<AlertType>,
    /// Only those of these severities.
    #[serde(deserialize_with = "read_list", serialize_with = "write_list", skip_serializing_if = "Vec::is_empty")]
    #[param(value_type = Vec<schema::Severity>)]
    pub severity: Vec<Severity>,
    /// Only those of the automation with this id.
    #[serde(alias = "automation_id", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i32>)]
    pub automation: Option<AutomationId>,
    /// Only those of automations of the domain with this slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Slug>)]
    pub domain: Option<String>,
    /// Only those of this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::AlertSource>)]
    pub source: Option<AlertSource>,
    /// Only those of the rule with this id.
    #[serde(alias = "rule_id", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub rule: Option<SlaId>,
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<AlertId>,
}

/// Body of `acknowledge`, `resolve` and `unmute`; optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"comment": "The portal is down, the vendor knows"}))]
pub struct AlertRequest {
    /// What there is to say of it; at most 2000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000, pattern = r"^[^\u0000]*$")]
    pub comment: Option<String>,
}

/// A comment on an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"comment": "The vendor says: back at 15:00"}))]
pub struct AlertCommentRequest {
    /// The text; 1 to 2000 characters, not blank.
    #[schema(min_length = 1, max_length = 2000, pattern = r"^[^\u0000]*[^\u0000\s][^\u0000]*$")]
    pub comment: String,
}

/// Asks for silence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"until": "2026-12-01T06:00:00Z", "comment": "Maintenance of the ERP"}))]
pub struct AlertMuteRequest {
    /// When the silence ends; in the future, at most a year from now.
    pub until: DateTime<Utc>,
    /// Why; at most 2000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000, pattern = r"^[^\u0000]*$")]
    pub comment: Option<String>,
}

/// Selects open alerts to acknowledge. An alert must meet every condition; at least one is required.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"type": ["QUEUE_BACKLOG"], "domain": "finance", "comment": "The new workers are on their way"}))]
pub struct AlertBulkRequest {
    /// Only these alerts, at most 1000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000, value_type = Vec<Uuid>)]
    pub ids: Vec<AlertId>,
    /// Only those of these types.
    #[serde(rename = "type", skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::AlertType>)]
    pub types: Vec<AlertType>,
    /// Only those of these severities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::Severity>)]
    pub severity: Vec<Severity>,
    /// Only those of this automation.
    #[serde(alias = "automationId", alias = "automation", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only those of automations of the domain with this slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Slug>)]
    pub domain: Option<String>,
    /// Only those of this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AlertSource>)]
    pub source: Option<AlertSource>,
    /// Only those of this rule.
    #[serde(alias = "ruleId", alias = "rule", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub rule_id: Option<SlaId>,
    /// Count the alerts, change nothing.
    #[serde(alias = "dryRun", skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// What there is to say of it; at most 2000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000, pattern = r"^[^\u0000]*$")]
    pub comment: Option<String>,
}

/// Outcome of a request about several alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"dry_run": false, "matched": 12, "done": 12, "more": false}))]
pub struct AlertBulkResponse {
    /// Whether alerts were only counted.
    pub dry_run: bool,
    /// Open alerts that meet the conditions.
    pub matched: u64,
    /// Alerts that were acknowledged.
    pub done: u64,
    /// Whether more alerts meet the conditions than one request handles; repeat the request.
    pub more: bool,
}

/// What Alertmanager sends to a webhook, version 4. Fields that are not named here are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::alertmanager)]
pub struct AlertmanagerWebhook {
    /// The alerts of the group, firing or resolved.
    #[schema(max_items = 5000)]
    pub alerts: Vec<AlertmanagerAlert>,
    /// How many alerts Alertmanager left out.
    #[serde(rename = "truncatedAlerts", default)]
    #[schema(minimum = 0)]
    pub truncated_alerts: u64,
    /// Where Alertmanager is.
    #[serde(rename = "externalURL", default)]
    pub external_url: String,
}

/// An alert of Alertmanager.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertmanagerAlert {
    /// `firing` or `resolved`.
    #[schema(value_type = schema::AlertmanagerStatus)]
    pub status: Firing,
    /// Labels: `alertname`, `severity`, `automation` or `robo_nome`, and others.
    pub labels: BTreeMap<String, String>,
    /// Annotations: `summary`, `description`, `runbook_url`.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// When it began to fire.
    #[serde(rename = "startsAt")]
    pub starts_at: DateTime<Utc>,
    /// When it was over.
    #[serde(rename = "endsAt", default)]
    pub ends_at: Option<DateTime<Utc>>,
    /// Where Prometheus shows its expression.
    #[serde(rename = "generatorURL", default)]
    pub generator_url: String,
    /// What identifies its labels.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_-]+$")]
    pub fingerprint: String,
}

/// What became of Alertmanager's alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"opened": 1, "resolved": 0, "unchanged": 1}))]
pub struct AlertmanagerResponse {
    /// Alerts that opened.
    pub opened: u64,
    /// Alerts that were resolved.
    pub resolved: u64,
    /// Alerts that were known.
    pub unchanged: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_is_read_from_its_query_and_written_as_one() {
        let query = json!({"status": "open,acknowledged", "type": "LATE", "severity": "error,critical", "automation": 7});
        let read: AlertFilter = serde_json::from_value(query.clone()).unwrap();
        assert_eq!((read.status.len(), &read.types[..], read.automation), (2, &[AlertType::Late][..], Some(7.into())));
        assert_eq!(serde_json::to_value(&read).unwrap(), query);
        for bad in [json!({"status": "closed"}), json!({"type": "late"}), json!({"severities": "error"})] {
            assert!(serde_json::from_value::<AlertFilter>(bad).is_err());
        }
    }

    #[test]
    fn what_newer_alertmanagers_add_is_ignored() {
        let mut body = examples::alertmanager();
        body["notificationReason"] = json!("first notification");
        body["alerts"][0]["new"] = json!(1);
        let read: AlertmanagerWebhook = serde_json::from_value(body).unwrap();
        assert_eq!(read.alerts[0].labels["alertname"], "DiskAlmostFull");
    }
}
