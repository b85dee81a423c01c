//! `regente sla`.

mod fields;

use std::collections::HashMap;

use api_types::{DomainFilter, Sla, SlaFilter, SlaMute, SlaState, SlaUpdate};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use domain::ids::{DomainId, SlaId};

use self::fields::{CreateArgs, UpdateArgs};
use super::{
    Exit, Fault, Outcome, automation,
    named::Named,
    output::{Width, facts, listed, moment, table},
    remote::{Hub, Remote, parse},
    silence::SilenceArgs,
};
use crate::terminal;

/// Arguments of `sla`.
#[derive(Args)]
pub(crate) struct SlaArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: SlaCommand,
}

#[derive(Subcommand)]
enum SlaCommand {
    /// List rules: what is expected of what.
    List(Box<ListArgs>),
    /// Show one rule, with how each automation, queue, worker and schedule that it covers is.
    Show(Which),
    /// Create a rule, from options, a file, or both.
    Create(Box<CreateArgs>),
    /// Change a rule, from options, a file, or both. What is not given stays as it is.
    Update(Box<UpdateArgs>),
    /// Notify nobody of a rule's alerts for a time; it is judged as before.
    Mute {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        silence: SilenceArgs,
    },
    /// Switch a rule on: what was before does not count.
    Enable(Which),
    /// Switch a rule off; its alerts are resolved.
    Disable(Which),
    /// Delete a rule; its alerts are resolved.
    Delete(Which),
}

/// One rule.
#[derive(Args)]
struct Which {
    /// Its name, or its id.
    #[arg(value_name = "RULE")]
    rule: String,
}

/// Filters of the list.
#[derive(Args)]
struct ListArgs {
    /// Only those about this automation, by name or id.
    #[arg(long, value_name = "NAME")]
    automation: Option<String>,
    /// Only those about this queue.
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// Only those about this domain.
    #[arg(long, value_name = "SLUG")]
    domain: Option<String>,
    /// Only those that are switched on (true) or off (false).
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
    /// Only those with this text in their name.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

pub(super) async fn run(args: SlaArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        SlaCommand::List(args) => list(&hub, *args, is_json).await,
        SlaCommand::Show(which) => show(&hub, &which, is_json).await,
        SlaCommand::Create(args) => fields::create(&hub, *args, is_json).await,
        SlaCommand::Update(args) => fields::update(&hub, *args, is_json).await,
        SlaCommand::Mute { which, silence } => mute(&hub, &which, silence.until(Utc::now())?, is_json).await,
        SlaCommand::Enable(which) => switch(&hub, &which, true, is_json).await,
        SlaCommand::Disable(which) => switch(&hub, &which, false, is_json).await,
        SlaCommand::Delete(which) => {
            let rule = find(&hub, &which).await?;
            hub.client.sla_delete(rule.id).await.map_err(|error| hub.fault(error))?;
            if !is_json {
                terminal::line(&format!("SLA rule {} is deleted.", rule.name))?;
            }
            Ok(Exit::Done)
        }
    }
}

/// The rule with this name, else that with this id.
async fn find(hub: &Hub, Which { rule: name }: &Which) -> Result<Sla, Fault> {
    let filter = SlaFilter { name: Some(name.clone()), limit: Some(1), ..SlaFilter::default() };
    let found = hub.client.slas(&filter).page().await.map_err(|error| hub.fault(error))?;
    Named { kind: "sla", name }.one(hub, found, |_| "", async |id| hub.client.sla(id).await).await
}

/// The id of the rule with this name; an id need not be of a rule that is still there.
pub(super) async fn find_id(hub: &Hub, name: &str) -> Result<SlaId, Fault> {
    match name.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(find(hub, &Which { rule: name.to_owned() }).await?.id),
    }
}

async fn mute(hub: &Hub, which: &Which, until: Option<DateTime<Utc>>, is_json: bool) -> Outcome {
    let call = hub.client.sla_mute(find(hub, which).await?.id, &SlaMute { until });
    let says = |rule: &Sla| match rule.muted_until {
        Some(until) => format!("SLA rule {} is silent until {}.", rule.name, moment(until)),
        None => format!("SLA rule {} is not silent any more.", rule.name),
    };
    hub.change(call, is_json, says).await
}

async fn switch(hub: &Hub, which: &Which, enabled: bool, is_json: bool) -> Outcome {
    let request = SlaUpdate { enabled: Some(enabled), ..SlaUpdate::default() };
    let call = hub.client.sla_update(find(hub, which).await?.id, &request);
    hub.change(call, is_json, |rule: &Sla| format!("SLA rule {} is {}.", rule.name, state(rule))).await
}

async fn list(hub: &Hub, args: ListArgs, is_json: bool) -> Outcome {
    let ListArgs { automation, queue, domain, enabled, search } = args;
    let automation_id = automation::find_id(hub, automation.as_deref()).await?;
    let filter = SlaFilter { limit: Some(1000), automation_id, queue, domain, enabled, search, ..SlaFilter::default() };
    let domains = if is_json { Domains::default() } else { Domains::read(hub).await? };
    listed(hub, hub.client.slas(&filter), is_json, &COLUMNS, |rule| row(rule, &domains)).await
}

/// The slugs of domains.
#[derive(Default)]
struct Domains(HashMap<DomainId, String>);

impl Domains {
    async fn read(hub: &Hub) -> Result<Self, Fault> {
        let filter = DomainFilter { limit: Some(1000), ..DomainFilter::default() };
        let domains = hub.client.domains(&filter).take(usize::MAX).await.map_err(|error| hub.fault(error))?;
        Ok(Self(domains.into_iter().map(|one| (one.id, one.slug)).collect()))
    }

    /// What a rule is about.
    fn about(&self, rule: &Sla) -> String {
        let automation = rule.automation_id.map(|id| rule.automation_name.clone().unwrap_or_else(|| format!("automation {id}")));
        let queue = rule.queue.as_ref().map(|name| format!("queue {name}"));
        let domain = rule.domain_id.map(|id| format!("domain {}", self.0.get(&id).cloned().unwrap_or_else(|| id.to_string())));
        automation.or(queue).or(domain).unwrap_or_else(|| "everything".to_owned())
    }
}

const COLUMNS: [(&str, Width); 6] = [
    ("id", Width::Whole),
    ("name", Width::Cut),
    ("about", Width::Cut),
    ("expects", Width::Cut),
    ("severity", Width::Whole),
    ("state", Width::Whole),
];

fn row(rule: &Sla, domains: &Domains) -> Vec<String> {
    let expects = expects(rule).join(", ");
    vec![rule.id.to_string(), rule.name.clone(), domains.about(rule), expects, rule.severity.to_string(), state(rule)]
}

fn state(rule: &Sla) -> String {
    match rule.muted_until.filter(|until| *until > Utc::now()) {
        _ if !rule.enabled => "off".to_owned(),
        Some(until) => format!("silent until {}", moment(until)),
        None => "on".to_owned(),
    }
}

/// What a rule expects, in words.
fn expects(rule: &Sla) -> Vec<String> {
    let grace = if rule.late_after_minutes > 0 { format!(" + {} min", rule.late_after_minutes) } else { String::new() };
    let is_on = |is_on: bool, text: &str| is_on.then(|| text.to_owned());
    let rate = rule.failure_rate.map(|rate| {
        let last = rate.runs.map(|runs| format!("the last {runs} runs"));
        let of = last.or_else(|| rate.window_minutes.map(|minutes| format!("those of {minutes} min"))).unwrap_or_default();
        format!("at most {} % of {of} fail", rate.percent)
    });
    [
        rule.expected_run_every_minutes.map(|minutes| format!("a run every {minutes} min{grace}")),
        rule.expected_daily_time.as_ref().map(|time| format!("a run by {time}{grace}")),
        is_on(rule.alert_on_failure, "no failure"),
        rule.failure_streak.map(|runs| format!("fewer than {runs} failures in a row")),
        rate,
        rule.max_duration_s.map(|seconds| format!("at most {seconds} s a run")),
        rule.min_duration_s.map(|seconds| format!("at least {seconds} s a run")),
        rule.duration_anomaly.map(|anomaly| format!("no unusual duration ({})", anomaly.sensitivity)),
        is_on(rule.forecast, "told before it is late"),
        rule.max_backlog.map(|jobs| format!("at most {jobs} jobs wait")),
        rule.max_pending_age_s.map(|seconds| format!("none waits longer than {seconds} s")),
        rule.worker_gone_after_s.map(|seconds| format!("workers are heard of every {seconds} s")),
        is_on(rule.alert_on_dead_schedule, "no dead schedule"),
        is_on(rule.watch_hub, "the hub works"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn show(hub: &Hub, which: &Which, is_json: bool) -> Outcome {
    let text = hub.client.sla(find(hub, which).await?.id).text().await.map_err(|error| hub.fault(error))?;
    if is_json {
        terminal::line(&text)?;
        return Ok(Exit::Done);
    }
    let rule: Sla = parse(&text)?;
    let domains = Domains::read(hub).await?;
    let mut channels = Vec::new();
    for id in &rule.notify_channels {
        // Another one may have deleted it, or may not show it.
        channels.push(hub.client.channel(*id).await.map_or_else(|_| id.to_string(), |channel| channel.name));
    }
    let calendar = match rule.calendar_id {
        Some(id) => Some(hub.client.calendar(id).await.map_or_else(|_| id.to_string(), |calendar| calendar.name)),
        None => None,
    };
    let steps = rule.escalate.iter().map(|step| format!("{} after {} min", step.severity, step.after_minutes));
    facts([
        ("rule", Some(rule.name.clone())),
        ("id", Some(rule.id.to_string())),
        ("about", Some(domains.about(&rule))),
        ("expects", Some(expects(&rule).join("\n"))),
        ("late", (!rule.alert_on_late).then(|| "only the state says so".to_owned())),
        ("calendar", calendar),
        ("zone", Some(rule.timezone.clone())),
        ("severity", Some(rule.severity.to_string())),
        ("escalates", Some(steps.collect::<Vec<_>>().join("\n"))),
        ("reminds", rule.repeat_every_minutes.map(|minutes| format!("every {minutes} min"))),
        ("channels", Some(channels.join("\n"))),
        ("state", Some(state(&rule))),
        ("since", Some(moment(rule.since_at))),
        ("looks next", rule.next_look_at.map(moment)),
        ("what to do", Some(rule.note.clone())),
        ("changed", Some(format!("{} by {}", moment(rule.updated_at), rule.updated_by.as_deref().unwrap_or("-")))),
    ])?;
    if !rule.states.is_empty() {
        terminal::line("")?;
        table(&STATES, &rule.states.iter().map(state_row).collect::<Vec<_>>())?;
    }
    Ok(Exit::Done)
}

const STATES: [(&str, Width); 5] =
    [("type", Width::Whole), ("subject", Width::Cut), ("is", Width::Whole), ("breached", Width::Whole), ("judged next", Width::Whole)];

fn state_row(state: &SlaState) -> Vec<String> {
    let subject = format!("{} {}", state.subject_kind, state.subject_name.as_ref().unwrap_or(&state.subject));
    let at = |at: Option<DateTime<Utc>>| at.map(moment).unwrap_or_default();
    vec![state.alert_type.to_string(), subject, state.standing.to_string(), at(state.breached_at), at(state.due_at)]
}
