//! `regente schedule`.

mod exchange;
mod fields;

use api_types::{Fire, FireFilter, PauseRequest, Schedule, ScheduleFilter, SchedulePauseRequest, SchedulePreview, ScheduleResumeRequest};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use domain::{ids::AutomationId, schedule::ScheduleState};
use serde_json::Value;
use uuid::Uuid;

use self::{
    exchange::{ExportArgs, ImportArgs},
    fields::{CreateArgs, PreviewArgs, UpdateArgs},
};
use super::{
    Exit, Fault, Outcome, automation,
    named::Named,
    output::{Width, facts, json_list, listed, moment, pretty, table},
    pause::{PauseArgs, lasts, pause},
    remote::{Hub, Remote, parse},
    run::{FollowArgs, accepted},
};
use crate::terminal;

/// Arguments of `schedule`.
#[derive(Args)]
pub(crate) struct ScheduleArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: ScheduleCommand,
}

#[derive(Subcommand)]
enum ScheduleCommand {
    /// Create a schedule, from options, a file, or both.
    Create(Box<CreateArgs>),
    /// Change a schedule, from options, a file, or both.
    Update(Box<UpdateArgs>),
    /// List schedules that are switched on.
    List {
        #[command(flatten)]
        of: Of,
        /// Only those with this text in their name.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Only those in this state: active, paused, disabled, blocked or ended.
        #[arg(long, value_name = "STATE")]
        state: Option<ScheduleState>,
        /// Include those that are switched off.
        #[arg(long)]
        disabled: bool,
    },
    /// Show one schedule, with its next and its last fires.
    Show(Which),
    /// Delete a schedule; its jobs stay.
    Delete(Which),
    /// Show when an expression fires, without saving anything.
    Preview(Box<PreviewArgs>),
    /// List past and coming fires, in order.
    Fires(FiresArgs),
    /// Run a schedule now.
    Run {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        follow: FollowArgs,
    },
    /// Pause a schedule, those of an automation or a domain, or all: they do not fire.
    Pause {
        #[command(flatten)]
        several: Several,
        #[command(flatten)]
        pause: PauseArgs,
    },
    /// Let paused schedules fire again.
    Resume {
        #[command(flatten)]
        several: Several,
    },
    /// Print schedules as YAML.
    Export(ExportArgs),
    /// Make the schedules of the automations in a YAML file what it says; others stay.
    Import(ImportArgs),
}

/// Whose schedules.
#[derive(Args)]
struct Of {
    /// Only those of this automation, by name or id.
    #[arg(long, value_name = "NAME")]
    automation: Option<String>,
    /// Only those of automations of this domain.
    #[arg(long, value_name = "SLUG")]
    domain: Option<String>,
}

/// One schedule.
#[derive(Args)]
struct Which {
    /// Its name, or its id.
    name: String,
    /// Name or id of its automation, if others have a schedule of this name.
    #[arg(long, value_name = "NAME")]
    automation: Option<String>,
}

/// One schedule, or several.
#[derive(Args)]
#[group(id = "which", required = true, multiple = true)]
struct Several {
    /// Its name, or its id; without it, all of an automation or a domain.
    name: Option<String>,
    /// Name or id of the automation.
    #[arg(long, value_name = "NAME")]
    automation: Option<String>,
    /// Those of automations of this domain.
    #[arg(long, value_name = "SLUG", conflicts_with = "name")]
    domain: Option<String>,
    /// All that you may pause. To pause them, --until is needed.
    #[arg(long, conflicts_with_all = ["name", "automation", "domain"])]
    all: bool,
}

#[derive(Args)]
struct FiresArgs {
    #[command(flatten)]
    of: Of,
    /// Only those of this schedule, by name or id.
    #[arg(long, value_name = "NAME")]
    schedule: Option<String>,
    /// From this time on: 2026-11-26T08:30:00-03:00, or a date (UTC); by default now.
    #[arg(long, value_name = "TIME", value_parser = api_types::parse_moment)]
    from: Option<DateTime<Utc>>,
    /// Before this time; by default a week later.
    #[arg(long, value_name = "TIME", value_parser = api_types::parse_moment)]
    to: Option<DateTime<Utc>>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) async fn run(args: ScheduleArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        ScheduleCommand::Create(args) => fields::create(&hub, *args, is_json).await,
        ScheduleCommand::Update(args) => fields::update(&hub, *args, is_json).await,
        ScheduleCommand::List { of, search, state, disabled } => {
            let automation_id = of.automation_id(&hub).await?;
            let state = state.map(|state| state.to_string());
            let filter = ScheduleFilter {
                limit: Some(1000),
                automation_id,
                domain: of.domain,
                search,
                state,
                disabled,
                ..ScheduleFilter::default()
            };
            listed(&hub, hub.client.schedules(&filter), is_json, &COLUMNS, row).await
        }
        ScheduleCommand::Show(which) => {
            let call = hub.client.schedule(find(&hub, &which).await?.id);
            let text = call.text().await.map_err(|error| hub.fault(error))?;
            if is_json {
                terminal::line(&text)?;
            } else {
                show(&parse(&text)?)?;
            }
            Ok(Exit::Done)
        }
        ScheduleCommand::Delete(which) => {
            let schedule = find(&hub, &which).await?;
            hub.client.schedule_delete(schedule.id).await.map_err(|error| hub.fault(error))?;
            if !is_json {
                terminal::line(&format!("Schedule {} is deleted.", schedule.name))?;
            }
            Ok(Exit::Done)
        }
        ScheduleCommand::Preview(args) => preview(&hub, *args, is_json).await,
        ScheduleCommand::Fires(args) => fires(&hub, args, is_json).await,
        ScheduleCommand::Run { which, follow } => {
            let id = find(&hub, &which).await?.id;
            let key = Uuid::new_v4().to_string();
            let text = hub.client.schedule_run(id, Some(&key)).text().await.map_err(|error| hub.fault(error))?;
            accepted(&hub, &text, &follow, is_json).await
        }
        ScheduleCommand::Pause { several, pause } => suspend(&hub, several, pause.into(), is_json).await,
        ScheduleCommand::Resume { several } => resume(&hub, several, is_json).await,
        ScheduleCommand::Export(args) => exchange::export(&hub, args).await,
        ScheduleCommand::Import(args) => exchange::import(&hub, args, is_json).await,
    }
}

impl Of {
    async fn automation_id(&self, hub: &Hub) -> Result<Option<AutomationId>, Fault> {
        automation::find_id(hub, self.automation.as_deref()).await
    }
}

/// The schedule with this name, else with this id.
async fn find(hub: &Hub, which: &Which) -> Result<Schedule, Fault> {
    let Which { name, automation } = which;
    let automation_id = automation::find_id(hub, automation.as_deref()).await?;
    let filter = ScheduleFilter { automation_id, name: Some(name.clone()), limit: Some(2), disabled: true, ..ScheduleFilter::default() };
    let found = hub.client.schedules(&filter).page().await.map_err(|error| hub.fault(error))?;
    let named = Named { kind: "schedule", name };
    named.one(hub, found, |schedule| &schedule.automation_name, async |id| hub.client.schedule(id).await).await
}

async fn preview(hub: &Hub, args: PreviewArgs, is_json: bool) -> Outcome {
    let text = hub.client.schedule_preview(&args.query()).text().await.map_err(|error| hub.fault(error))?;
    if is_json {
        terminal::line(&text)?;
        return Ok(Exit::Done);
    }
    let SchedulePreview { words, timezone, next_fires, .. } = parse(&text)?;
    terminal::note(&format!("{} ({}), in {timezone}", words.en, words.pt_br));
    let row = |fire: &api_types::NextFire| vec![fire.local.format("%a %Y-%m-%d %H:%M:%S").to_string(), moment(fire.run_at)];
    table(&[("local", Width::Whole), ("here", Width::Whole)], &next_fires.iter().map(row).collect::<Vec<_>>())?;
    Ok(Exit::Done)
}

async fn fires(hub: &Hub, args: FiresArgs, is_json: bool) -> Outcome {
    let FiresArgs { of, schedule, from, to, limit } = args;
    let schedule_id = match schedule {
        Some(name) => Some(find(hub, &Which { name, automation: of.automation.clone() }).await?.id),
        None => None,
    };
    let automation_id = of.automation_id(hub).await?;
    let page = u32::try_from(limit.clamp(1, 1000)).ok();
    let filter = FireFilter { from, to, schedule_id, automation_id, domain: of.domain, limit: page, after: None };
    let list = hub.client.schedule_fires(&filter);
    if is_json {
        json_list(hub, list, limit).await?;
    } else {
        let found = list.take(limit).await.map_err(|error| hub.fault(error))?;
        table(&FIRE_COLUMNS, &found.iter().map(fire_row).collect::<Vec<_>>())?;
    }
    Ok(Exit::Done)
}

async fn suspend(hub: &Hub, several: Several, pause: PauseRequest, is_json: bool) -> Outcome {
    let PauseRequest { until, reason } = pause.clone();
    let Several { name, automation, domain, all } = several;
    if let Some(name) = name {
        let id = find(hub, &Which { name, automation }).await?.id;
        let says = |schedule: &Schedule| format!("Schedule {} is paused {}.", schedule.name, lasts(schedule.paused_until));
        return hub.change(hub.client.schedule_pause(id, &pause), is_json, says).await;
    }
    let automation_id = automation::find_id(hub, automation.as_deref()).await?;
    let request = SchedulePauseRequest { automation_id, domain, all, until, reason, ..SchedulePauseRequest::default() };
    hub.change(hub.client.schedules_pause(&request), is_json, |done| format!("{} paused {}.", are(done.done), lasts(until))).await
}

async fn resume(hub: &Hub, several: Several, is_json: bool) -> Outcome {
    let Several { name, automation, domain, all } = several;
    if let Some(name) = name {
        let id = find(hub, &Which { name, automation }).await?.id;
        let says = |schedule: &Schedule| format!("Schedule {} is {}.", schedule.name, schedule.state);
        return hub.change(hub.client.schedule_resume(id), is_json, says).await;
    }
    let automation_id = automation::find_id(hub, automation.as_deref()).await?;
    let request = ScheduleResumeRequest { automation_id, domain, all, ..ScheduleResumeRequest::default() };
    hub.change(hub.client.schedules_resume(&request), is_json, |done| format!("{} resumed.", are(done.done))).await
}

fn are(schedules: u64) -> String {
    if schedules == 1 { "1 schedule is".to_owned() } else { format!("{schedules} schedules are") }
}

const COLUMNS: [(&str, Width); 7] = [
    ("id", Width::Whole),
    ("automation", Width::Cut),
    ("name", Width::Cut),
    ("when", Width::Cut),
    ("state", Width::Whole),
    ("next", Width::Whole),
    ("last", Width::Cut),
];

fn row(schedule: &Schedule) -> Vec<String> {
    let next = schedule.next_fires.first().filter(|_| schedule.state == ScheduleState::Active);
    vec![
        schedule.id.to_string(),
        schedule.automation_name.clone(),
        schedule.name.clone(),
        schedule.words.en.clone(),
        state(schedule),
        next.map(|fire| moment(fire.run_at)).unwrap_or_default(),
        schedule.last_fires.first().map(outcome).unwrap_or_default(),
    ]
}

fn state(schedule: &Schedule) -> String {
    match schedule.state_reason.map(|reason| reason.as_str().replace('_', " ")) {
        Some(reason) if schedule.state != ScheduleState::Paused => format!("{} ({reason})", schedule.state),
        _ => schedule.state.to_string(),
    }
}

const FIRE_COLUMNS: [(&str, Width); 6] = [
    ("when", Width::Whole),
    ("local", Width::Whole),
    ("schedule", Width::Cut),
    ("state", Width::Whole),
    ("job", Width::Whole),
    ("why", Width::Cut),
];

fn fire_row(fire: &Fire) -> Vec<String> {
    let job = fire.job_id.map(|id| id.to_string()).unwrap_or_default();
    let why = fire.detail.clone().or_else(|| fire.reason.as_ref().map(|reason| reason.replace('_', " "))).unwrap_or_default();
    let many = if fire.slots > 1 { format!("{} × {}", fire.slots, fire.state) } else { fire.state.to_string() };
    vec![moment(fire.slot_at), fire.local.format("%Y-%m-%d %H:%M:%S").to_string(), fire.schedule_name.clone(), many, job, why]
}

fn outcome(fire: &Fire) -> String {
    let job = fire.job_id.map(|id| format!(", job {id}")).unwrap_or_default();
    let why = fire.detail.as_ref().or(fire.reason.as_ref()).map(|why| format!(": {why}")).unwrap_or_default();
    format!("{} {}{why}{job}", moment(fire.slot_at), fire.state)
}

fn show(schedule: &Schedule) -> Result<(), Fault> {
    let Schedule { paused_at, paused_until, paused_by, paused_reason, .. } = schedule;
    let lines = |items: Vec<String>| Some(items.join("\n"));
    let next = schedule.next_fires.iter().map(|fire| format!("{} (there {})", moment(fire.run_at), fire.local.format("%a %H:%M:%S")));
    let window = schedule.window_start.as_ref().zip(schedule.window_end.as_ref()).map(|(start, end)| format!("{start} to {end}"));
    facts([
        ("schedule", Some(schedule.name.clone())),
        ("id", Some(schedule.id.to_string())),
        ("automation", Some(schedule.automation_name.clone())),
        ("when", Some(format!("{} ({})", schedule.words.en, schedule.words.pt_br))),
        ("expression", schedule.cron_expression.clone()),
        ("zone", Some(schedule.timezone.clone())),
        ("calendar", schedule.calendar_id.map(|id| format!("{id} ({})", schedule.calendar_rule.replace('_', " ")))),
        ("window", window),
        ("from", schedule.start_at.map(moment)),
        ("until", schedule.end_at.map(moment)),
        ("state", Some(state(schedule))),
        ("paused", pause(*paused_at, *paused_until, paused_by.as_deref(), paused_reason.as_deref())),
        ("when missed", Some(schedule.misfire_policy.to_string())),
        ("parameters", Some(pretty(&Value::Object(schedule.parameters.clone()))).filter(|text| text != "{}")),
        ("next", lines(next.collect())),
        ("last", lines(schedule.last_fires.iter().map(outcome).collect())),
        ("changed", Some(format!("{} by {}", moment(schedule.updated_at), schedule.updated_by.as_deref().unwrap_or("-")))),
    ])?;
    Ok(())
}
