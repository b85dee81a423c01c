//! `regente alert`.

use api_types::{Alert, AlertCommentRequest, AlertFilter, AlertMuteRequest, AlertRequest};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use domain::{
    alert::{AlertSource, AlertStatus, AlertType, Severity},
    ids::AlertId,
};

use super::{
    Exit, Fault, Outcome, automation,
    output::{Width, age, facts, json_list, moment, table},
    remote::{Hub, Remote, parse},
    silence::SilenceArgs,
    sla,
};
use crate::terminal;

/// Arguments of `alert`.
#[derive(Args)]
pub(crate) struct AlertArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: AlertCommand,
}

#[derive(Subcommand)]
enum AlertCommand {
    /// List alerts, newest first.
    List(Box<ListArgs>),
    /// Show one alert with its story.
    Show {
        /// Its id.
        id: AlertId,
    },
    /// Take an alert: it neither escalates nor reminds from now on.
    Acknowledge(Said),
    /// Say that an alert is over.
    Resolve(Said),
    /// Silence an alert for a time.
    Mute {
        #[command(flatten)]
        said: Said,
        #[command(flatten)]
        silence: SilenceArgs,
    },
    /// Add a comment to the story of an alert.
    Comment {
        /// Its id.
        id: AlertId,
        /// The text.
        text: String,
    },
}

/// What is said of an alert.
#[derive(Args)]
struct Said {
    /// Its id.
    id: AlertId,
    /// A comment for its story.
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

/// Filters of the list.
#[derive(Args)]
struct ListArgs {
    /// Only those in these states, separated by commas: open, acknowledged, resolved. By default those that are not resolved.
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    status: Vec<AlertStatus>,
    /// Only those of these types, separated by commas, such as LATE,FAILURE.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<AlertType>,
    /// Only those of these severities, separated by commas: info, warning, error, critical.
    #[arg(long, value_name = "SEVERITY", value_delimiter = ',')]
    severity: Vec<Severity>,
    /// Only those of this automation, by name or id.
    #[arg(long, value_name = "NAME")]
    automation: Option<String>,
    /// Only those of this domain's automations.
    #[arg(long, value_name = "SLUG")]
    domain: Option<String>,
    /// Only those of this source: regente or prometheus.
    #[arg(long, value_name = "SOURCE")]
    source: Option<AlertSource>,
    /// Only those of this SLA rule, by name or id.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) async fn run(args: AlertArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        AlertCommand::List(args) => list(&hub, *args, is_json).await,
        AlertCommand::Show { id } => show(&hub, id, is_json).await,
        AlertCommand::Acknowledge(Said { id, comment }) => {
            let call = hub.client.alert_acknowledge(id, &AlertRequest { comment });
            hub.change(call, is_json, |alert: &Alert| format!("Alert {id} is yours: {}.", subject(alert))).await
        }
        AlertCommand::Resolve(Said { id, comment }) => {
            let call = hub.client.alert_resolve(id, &AlertRequest { comment });
            hub.change(call, is_json, |alert: &Alert| format!("Alert {id} is resolved: {}.", subject(alert))).await
        }
        AlertCommand::Mute { said, silence } => mute(&hub, said, &silence, is_json).await,
        AlertCommand::Comment { id, text } => {
            let call = hub.client.alert_comment(id, &AlertCommentRequest { comment: text });
            hub.change(call, is_json, |_: &Alert| format!("The comment is in the story of alert {id}.")).await
        }
    }
}

async fn mute(hub: &Hub, Said { id, comment }: Said, silence: &SilenceArgs, is_json: bool) -> Outcome {
    let Some(until) = silence.until(Utc::now())? else {
        let call = hub.client.alert_unmute(id, &AlertRequest { comment });
        return hub.change(call, is_json, |_: &Alert| format!("Alert {id} is not silent any more.")).await;
    };
    let call = hub.client.alert_mute(id, &AlertMuteRequest { until, comment });
    hub.change(call, is_json, |_: &Alert| format!("Alert {id} is silent until {}.", moment(until))).await
}

async fn list(hub: &Hub, args: ListArgs, is_json: bool) -> Outcome {
    let ListArgs { status, types, severity, automation, domain, source, rule, limit } = args;
    let automation = automation::find_id(hub, automation.as_deref()).await?;
    let rule = match rule {
        Some(name) => Some(sla::find_id(hub, &name).await?),
        None => None,
    };
    let status = if status.is_empty() { vec![AlertStatus::Open, AlertStatus::Acknowledged] } else { status };
    let page = u32::try_from(limit.clamp(1, 1000)).ok();
    let list = hub.client.alerts(&AlertFilter { status, types, severity, automation, domain, source, rule, limit: page, after: None });
    if is_json {
        json_list(hub, list, limit).await?;
    } else {
        let found = list.take(limit).await.map_err(|error| hub.fault(error))?;
        table(&COLUMNS, &found.iter().map(|alert| row(alert, Utc::now())).collect::<Vec<_>>())?;
    }
    Ok(Exit::Done)
}

const COLUMNS: [(&str, Width); 7] = [
    ("id", Width::Whole),
    ("severity", Width::Whole),
    ("type", Width::Whole),
    ("about", Width::Cut),
    ("status", Width::Whole),
    ("since", Width::Whole),
    ("times", Width::Whole),
];

fn row(alert: &Alert, now: DateTime<Utc>) -> Vec<String> {
    let times = if alert.count > 1 { alert.count.to_string() } else { String::new() };
    vec![
        alert.id.to_string(),
        alert.severity.to_string(),
        alert.alert_type.to_string(),
        subject(alert),
        alert.status.to_string(),
        age(now - alert.opened_at),
        times,
    ]
}

/// What it is about, for people.
fn subject(alert: &Alert) -> String {
    let of = alert.automation_name.clone();
    match alert.subject_kind.as_str() {
        "automation" => of.unwrap_or_else(|| format!("automation {}", alert.subject)),
        "external" => alert.facts.summary.clone().or(of).unwrap_or_else(|| alert.subject.clone()),
        kind => format!("{kind} {}", alert.subject),
    }
}

async fn show(hub: &Hub, id: AlertId, is_json: bool) -> Outcome {
    let text = hub.client.alert(id).text().await.map_err(|error| hub.fault(error))?;
    if is_json {
        terminal::line(&text)?;
        return Ok(Exit::Done);
    }
    let alert: Alert = parse(&text)?;
    let rule = match alert.rule_id {
        // It may be deleted since, or not be shown to the caller.
        Some(id) => Some(hub.client.sla(id).await.map_or_else(|_| id.to_string(), |rule| rule.name)),
        None => None,
    };
    shown(&alert, rule)?;
    Ok(Exit::Done)
}

fn shown(alert: &Alert, rule: Option<String>) -> Result<(), Fault> {
    let seen = &alert.facts;
    let unit = seen.unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    let number = |value: f64| format!("{value}{unit}");
    let by = |at: Option<DateTime<Utc>>, by: Option<&str>| at.map(|at| format!("{} by {}", moment(at), by.unwrap_or("the hub")));
    let line = |line: &api_types::AlertEvent| {
        let who = line.by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
        let text = line.text.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
        format!("{} {}{who}{text}", moment(line.at), line.what)
    };
    facts([
        ("alert", Some(alert.id.to_string())),
        ("type", Some(alert.alert_type.to_string())),
        ("severity", Some(alert.severity.to_string())),
        ("status", Some(alert.status.to_string())),
        ("about", Some(subject(alert))),
        ("source", Some(alert.source.to_string())),
        ("rule", rule),
        ("since", Some(moment(alert.began_at))),
        ("seen", Some(format!("{} times, last {}", alert.count, moment(alert.last_seen_at)))),
        ("expected", seen.expected_at.map(moment)),
        ("predicted", seen.predicted_at.map(moment)),
        ("measured", seen.measured.map(number)),
        ("limit", seen.limit.map(number)),
        ("error", seen.error_class.clone().map(|class| format!("{class} {}", seen.error_message.as_deref().unwrap_or_default()))),
        ("says", seen.summary.clone()),
        ("at length", seen.description.clone()),
        ("shown at", seen.url.clone()),
        ("jobs", Some(alert.jobs.iter().map(|job| job.id.to_string()).collect::<Vec<_>>().join("\n"))),
        ("silent until", alert.muted_until.map(moment)),
        ("acknowledged", by(alert.acknowledged_at, alert.acknowledged_by.as_deref())),
        ("resolved", by(alert.resolved_at, alert.resolved_by.as_deref())),
        ("what to do", Some(alert.note.clone())),
        ("story", Some(alert.story.iter().map(line).collect::<Vec<_>>().join("\n"))),
    ])?;
    Ok(())
}
