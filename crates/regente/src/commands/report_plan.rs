//! `regente report-plan`.

use api_types::{ReportPlan, ReportPlanCreate, ReportPlanFilter, ReportPlanSent, ReportPlanUpdate};
use clap::{Args, Subcommand};
use domain::{ids::ReportPlanId, notification::channel::Weekday, report::Period};

use super::{
    Exit, Fault, Outcome, channel,
    domain::find as find_domain,
    named::Named,
    output::{Width, facts, listed, moment},
    remote::{Hub, Remote},
};
use crate::terminal;

/// Arguments of `report-plan`.
#[derive(Args)]
pub(crate) struct ReportPlanArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: ReportPlanCommand,
}

#[derive(Subcommand)]
enum ReportPlanCommand {
    /// List report plans.
    List,
    /// Show one report plan.
    Show(Which),
    /// Create a report plan: a report leaves by e-mail each day or week.
    Create {
        /// What the plan is for.
        name: String,
        #[command(flatten)]
        fields: Box<FieldArgs>,
    },
    /// Change a report plan. What is not given stays as it is.
    Update {
        #[command(flatten)]
        which: Which,
        /// New name.
        #[arg(long = "name", value_name = "NAME")]
        new_name: Option<String>,
        /// Send it again.
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Send it no more.
        #[arg(long)]
        disable: bool,
        /// Report all automations, not those of one domain.
        #[arg(long, conflicts_with = "domain")]
        everything: bool,
        #[command(flatten)]
        fields: Box<FieldArgs>,
    },
    /// Send the report of the last day or week now, besides the plan's times.
    Send(Which),
    /// Delete a report plan.
    Delete(Which),
}

/// One plan.
#[derive(Args)]
struct Which {
    /// Its name, or its id.
    #[arg(value_name = "PLAN")]
    plan: String,
}

/// What people set of a plan.
#[derive(Args)]
struct FieldArgs {
    /// Report each week, from Monday, and send it on this day.
    #[arg(long, value_name = "WEEKDAY", conflicts_with = "daily")]
    weekly: Option<Weekday>,
    /// Report each day.
    #[arg(long)]
    daily: bool,
    /// Time of day, such as 07:30.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// IANA time zone of the time and of the days; by default that of the hub's settings.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Only automations of this domain.
    #[arg(long, value_name = "SLUG")]
    domain: Option<String>,
    /// An e-mail channel, by name or id; repeat it for several.
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
}

impl FieldArgs {
    /// The fields that are given.
    async fn read(self, hub: &Hub) -> Result<ReportPlanUpdate, Fault> {
        let (period, weekday) = match (self.weekly, self.daily) {
            (Some(weekday), _) => (Some(Period::Weekly), Some(Some(weekday))),
            (None, true) => (Some(Period::Daily), None),
            (None, false) => (None, None),
        };
        let domain_id = match self.domain {
            Some(slug) => Some(Some(find_domain(hub, &slug).await?.id)),
            None => None,
        };
        let mut channels = Vec::new();
        for name in &self.channels {
            channels.push(channel::find(hub, name).await?.id);
        }
        let channels = Some(channels).filter(|channels| !channels.is_empty());
        Ok(ReportPlanUpdate { period, weekday, at: self.at, timezone: self.timezone, domain_id, channels, ..ReportPlanUpdate::default() })
    }
}

pub(super) async fn run(args: ReportPlanArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        ReportPlanCommand::List => {
            let filter = ReportPlanFilter { limit: Some(1000), ..ReportPlanFilter::default() };
            listed(&hub, hub.client.report_plans(&filter), is_json, &COLUMNS, row).await
        }
        ReportPlanCommand::Show(which) => show(&hub, find(&hub, &which.plan).await?.id, is_json).await,
        ReportPlanCommand::Create { name, fields } => {
            let request = created(name, fields.read(&hub).await?)?;
            hub.change(hub.client.report_plan_create(&request), is_json, |plan| says("is created", plan)).await
        }
        ReportPlanCommand::Update { which, new_name, enable, disable, everything, fields } => {
            let id = find(&hub, &which.plan).await?.id;
            let given = fields.read(&hub).await?;
            let request = ReportPlanUpdate {
                name: new_name,
                enabled: (enable || disable).then_some(enable),
                domain_id: given.domain_id.or(everything.then_some(None)),
                ..given
            };
            hub.change(hub.client.report_plan_update(id, &request), is_json, |plan| says("is changed", plan)).await
        }
        ReportPlanCommand::Send(which) => {
            let id = find(&hub, &which.plan).await?.id;
            let says = |sent: &ReportPlanSent| {
                let ids: Vec<String> = sent.notifications.iter().map(ToString::to_string).collect();
                format!("The report is on its way: regente notification show {}", ids.join(", "))
            };
            hub.change(hub.client.report_plan_send(id), is_json, says).await
        }
        ReportPlanCommand::Delete(which) => {
            let id = find(&hub, &which.plan).await?.id;
            hub.client.report_plan_delete(id).await.map_err(|error| hub.fault(error))?;
            if !is_json {
                terminal::line("The report plan is deleted.")?;
            }
            Ok(Exit::Done)
        }
    }
}

/// A new plan of what is given; the rest has the hub's defaults.
fn created(name: String, given: ReportPlanUpdate) -> Result<ReportPlanCreate, Fault> {
    let at = given.at.ok_or_else(|| Fault::input("--at is required, such as --at 07:30".to_owned()))?;
    Ok(ReportPlanCreate {
        name,
        period: given.period.unwrap_or_default(),
        weekday: given.weekday.flatten(),
        at,
        timezone: given.timezone,
        domain_id: given.domain_id.flatten(),
        channels: given.channels.unwrap_or_default(),
        enabled: true,
    })
}

/// The plan with this name, else that with this id.
async fn find(hub: &Hub, name: &str) -> Result<ReportPlan, Fault> {
    let filter = ReportPlanFilter { limit: Some(1), name: Some(name.to_owned()), ..ReportPlanFilter::default() };
    let found = hub.client.report_plans(&filter).page().await.map_err(|error| hub.fault(error))?;
    Named { kind: "report plan", name }.one(hub, found, |_| "", async |id| hub.client.report_plan(id).await).await
}

fn says(what: &str, plan: &ReportPlan) -> String {
    let next = plan.due_at.map_or_else(|| "it is off".to_owned(), |at| format!("next at {}", moment(at)));
    format!("Report plan {} {what}: {}, {next}.", plan.name, when(plan))
}

/// When it is sent.
fn when(plan: &ReportPlan) -> String {
    let days = plan.weekday.map_or_else(|| "daily".to_owned(), |weekday| format!("weekly on {weekday}"));
    format!("{days} at {} ({})", plan.at, plan.timezone)
}

async fn show(hub: &Hub, id: ReportPlanId, is_json: bool) -> Outcome {
    let text = hub.client.report_plan(id).text().await.map_err(|error| hub.fault(error))?;
    if is_json {
        terminal::line(&text)?;
        return Ok(Exit::Done);
    }
    let plan: ReportPlan = super::remote::parse(&text)?;
    let mut channels = Vec::new();
    for id in &plan.channels {
        channels.push(hub.client.channel(*id).await.map_or_else(|_| id.to_string(), |channel| channel.name));
    }
    let domain = match plan.domain_id {
        Some(id) => Some(hub.client.domain(id).await.map_or_else(|_| id.to_string(), |domain| domain.slug)),
        None => None,
    };
    facts([
        ("name", Some(plan.name.clone())),
        ("id", Some(plan.id.to_string())),
        ("sent", Some(when(&plan))),
        ("domain", domain),
        ("channels", Some(channels.join(", "))),
        ("state", Some(if plan.enabled { "on" } else { "off" }.to_owned())),
        ("next", plan.due_at.map(moment)),
        ("last", plan.last_sent_at.map(moment)),
        ("changed", Some(format!("{} by {}", moment(plan.updated_at), plan.updated_by))),
    ])?;
    Ok(Exit::Done)
}

const COLUMNS: [(&str, Width); 4] = [("id", Width::Whole), ("name", Width::Cut), ("sent", Width::Cut), ("next", Width::Whole)];

fn row(plan: &ReportPlan) -> Vec<String> {
    vec![plan.id.to_string(), plan.name.clone(), when(plan), plan.due_at.map_or_else(|| "off".to_owned(), moment)]
}
