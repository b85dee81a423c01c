//! `regente automation`.

use ::domain::{
    automation::EntrypointType,
    ids::{AutomationId, DomainId},
};
use api_types::{Automation, AutomationArchived, AutomationCreate, AutomationFilter, AutomationUpdate};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::{
    Exit, Fault, Outcome, domain,
    output::{Width, facts, listed, moment, pretty},
    parameters::read_json,
    pause::{PauseArgs, lasts, pause},
    remote::{Hub, Remote},
};
use crate::terminal;

/// Arguments of `automation`.
#[derive(Args)]
pub(crate) struct AutomationArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: AutomationCommand,
}

#[derive(Subcommand)]
enum AutomationCommand {
    /// Register an automation, from options, a file, or both.
    Create(Box<CreateArgs>),
    /// Change an automation, from options, a file, or both.
    Update(Box<UpdateArgs>),
    /// List automations.
    List {
        /// Include archived automations.
        #[arg(long)]
        archived: bool,
        /// Only those with this text in their name.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Only those of this domain.
        #[arg(long, value_name = "SLUG")]
        domain: Option<String>,
        /// Only those with this label.
        #[arg(long, value_name = "LABEL")]
        label: Option<String>,
    },
    /// Pause an automation: its jobs wait; those that run go on.
    Pause {
        /// Its name, or its id.
        name: String,
        #[command(flatten)]
        pause: PauseArgs,
    },
    /// Let the jobs of a paused automation start again.
    Resume {
        /// Its name, or its id.
        name: String,
    },
    /// Archive an automation: it accepts no more jobs. Prints which schedules, chains and hooks go with it.
    Archive {
        /// Name or id.
        name: String,
    },
    /// Show one automation.
    Show {
        /// Name or id.
        name: String,
    },
}

/// A new automation. Omitted options have the API's defaults.
#[derive(Args)]
struct CreateArgs {
    /// Name; may be in the file instead.
    #[arg(required_unless_present = "file")]
    name: Option<String>,
    /// File with the registration in the API's JSON, - for standard input; options override it.
    #[arg(long, short = 'F', value_name = "FILE", required_unless_present = "script")]
    file: Option<String>,
    #[command(flatten)]
    fields: Fields,
}

/// Changes of an automation. What is not given stays as it is.
#[derive(Args)]
struct UpdateArgs {
    /// Its name, or its id.
    name: String,
    /// New name.
    #[arg(long = "name", value_name = "NAME")]
    new_name: Option<String>,
    /// File with the fields to change in the API's JSON (null: none), - for standard input; options override it.
    #[arg(long, short = 'F', value_name = "FILE")]
    file: Option<String>,
    #[command(flatten)]
    fields: Fields,
}

/// What people set most.
#[derive(Args)]
struct Fields {
    /// Path of the script or program on the worker.
    #[arg(long, value_name = "PATH")]
    script: Option<String>,
    /// Kind of program; by default Python.
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Option<Kind>,
    /// Description for people.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Queue of its jobs; by default derived from its name.
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// File with the JSON Schema of its parameters, - for standard input.
    #[arg(long, value_name = "FILE")]
    schema: Option<String>,
    /// Time limit of a job in seconds.
    #[arg(long, value_name = "SECONDS")]
    timeout_s: Option<i64>,
    /// Maximum number of its jobs that run at the same time.
    #[arg(long, value_name = "N")]
    max_concurrency: Option<i64>,
    /// Minutes that a person needs for what one of its jobs does: reports compute hours saved from it.
    #[arg(long, value_name = "MINUTES")]
    manual_minutes: Option<i64>,
    /// Labels that a worker must have to run it.
    #[arg(long = "requires", value_delimiter = ',', value_name = "LABEL")]
    requires: Vec<String>,
    /// Domain that it belongs to.
    #[arg(long, value_name = "SLUG")]
    domain: Option<String>,
    /// Labels of its own.
    #[arg(long = "label", value_delimiter = ',', value_name = "LABEL")]
    labels: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Python,
    Shell,
    Exe,
}

impl From<Kind> for EntrypointType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Python => Self::Python,
            Kind::Shell => Self::Shell,
            Kind::Exe => Self::Exe,
        }
    }
}

pub(super) async fn run(args: AutomationArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        AutomationCommand::Create(args) => create(&hub, *args, is_json).await,
        AutomationCommand::Update(args) => update(&hub, *args, is_json).await,
        AutomationCommand::List { archived, search, domain, label } => {
            let filter = AutomationFilter { limit: Some(1000), archived, search, domain, label, ..AutomationFilter::default() };
            listed(&hub, hub.client.automations(&filter), is_json, &COLUMNS, row).await
        }
        AutomationCommand::Pause { name, pause } => {
            let says = |automation: &Automation| format!("Automation {} is paused {}.", automation.name, lasts(automation.paused_until));
            hub.change(hub.client.automation_pause(find(&hub, &name).await?.id, &pause.into()), is_json, says).await
        }
        AutomationCommand::Resume { name } => {
            let says = |automation: &Automation| format!("Automation {} is active.", automation.name);
            hub.change(hub.client.automation_resume(find(&hub, &name).await?.id), is_json, says).await
        }
        AutomationCommand::Archive { name } => {
            let Automation { id, name, .. } = find(&hub, &name).await?;
            hub.change(hub.client.automation_archive(id), is_json, |left| told(&name, left)).await
        }
        AutomationCommand::Show { name } => {
            let automation = find(&hub, &name).await?;
            if is_json {
                terminal::line(&hub.client.automation(automation.id).text().await.map_err(|error| hub.fault(error))?)?;
            } else {
                show(&hub, &automation).await?;
            }
            Ok(Exit::Done)
        }
    }
}

/// What an archived automation leaves behind, a line each.
fn told(name: &str, left: &AutomationArchived) -> String {
    let AutomationArchived { schedules, chains, hooks } = left;
    let mut lines = vec![format!("Automation {name} is archived: it accepts no more jobs.")];
    lines.extend(schedules.iter().map(|one| format!("Its schedule \"{}\" ({}) fires no more.", one.name, one.id)));
    lines.extend(chains.iter().map(|one| format!("The chain \"{}\" ({}) is blocked, or waits for its last jobs.", one.name, one.id)));
    lines.extend(hooks.iter().map(|one| format!("Its hook \"{}\" ({}) refuses requests.", one.name, one.id)));
    lines.join("\n")
}

/// The id of [`find`], if a name is given.
pub(super) async fn find_id(hub: &Hub, name: Option<&str>) -> Result<Option<AutomationId>, Fault> {
    match name {
        Some(name) => Ok(Some(find(hub, name).await?.id)),
        None => Ok(None),
    }
}

/// The automation with this name, else with this id.
pub(super) async fn find(hub: &Hub, name: &str) -> Result<Automation, Fault> {
    if let Some(automation) = hub.client.automation_named(name).await.map_err(|error| hub.fault(error))? {
        return Ok(automation);
    }
    let missing =
        || Fault::here(format!("there is no automation \"{name}\" at {}: `regente automation list` lists them", hub.client.url()));
    let Ok(id) = name.parse() else { return Err(missing()) };
    match hub.client.automation(id).await {
        Err(error) if error.status() == Some(404) => Err(missing()),
        outcome => outcome.map_err(|error| hub.fault(error)),
    }
}

async fn create(hub: &Hub, args: CreateArgs, is_json: bool) -> Outcome {
    let domain_id = args.fields.domain_id(hub).await?;
    let request = registration(args)?;
    let request = AutomationCreate { domain_id: domain_id.or(request.domain_id), ..request };
    let says = |automation: &Automation| {
        automation.warnings.iter().for_each(|warning| terminal::note(warning));
        let Automation { id, name, queue_name, .. } = automation;
        format!("Automation {name} is registered (id {id}, queue {queue_name}). `regente run {name}` runs it.")
    };
    hub.change(hub.client.automation_create(&request), is_json, says).await
}

async fn update(hub: &Hub, args: UpdateArgs, is_json: bool) -> Outcome {
    let (id, domain_id) = (find(hub, &args.name).await?.id, args.fields.domain_id(hub).await?);
    let request = changes(args)?;
    let request = AutomationUpdate { domain_id: domain_id.map(Some).or(request.domain_id), ..request };
    let says = |automation: &Automation| {
        automation.warnings.iter().for_each(|warning| terminal::note(warning));
        format!("Automation {} is changed.", automation.name)
    };
    hub.change(hub.client.automation_update(id, &request), is_json, says).await
}

impl Fields {
    async fn domain_id(&self, hub: &Hub) -> Result<Option<DomainId>, Fault> {
        match &self.domain {
            Some(slug) => Ok(Some(domain::find(hub, slug).await?.id)),
            None => Ok(None),
        }
    }

    fn schema(&self) -> Result<Option<Value>, Fault> {
        self.schema.as_ref().map(|file| read_json(file, "a JSON Schema")).transpose()
    }
}

fn registration(args: CreateArgs) -> Result<AutomationCreate, Fault> {
    let mut request: AutomationCreate = match &args.file {
        Some(file) => read_json(file, "a registration")?,
        None => AutomationCreate::default(),
    };
    let schema = args.fields.schema()?;
    let Fields { script, kind, description, queue, timeout_s, max_concurrency, manual_minutes, requires, labels, .. } = args.fields;
    if let Some(name) = args.name {
        request.name = name;
    }
    if let Some(script) = script {
        request.script_path = script;
    }
    request.parameter_schema = schema.or(request.parameter_schema);
    request.entrypoint_type = kind.map(Into::into).or(request.entrypoint_type);
    request.description = description.or(request.description);
    request.queue_name = queue.or(request.queue_name);
    request.timeout_s = timeout_s.or(request.timeout_s);
    request.max_concurrency = max_concurrency.or(request.max_concurrency);
    request.manual_minutes = manual_minutes.or(request.manual_minutes);
    request.labels = some(labels).or(request.labels);
    request.requires = some(requires).or(request.requires);
    Ok(request)
}

fn changes(args: UpdateArgs) -> Result<AutomationUpdate, Fault> {
    let mut request: AutomationUpdate = match &args.file {
        Some(file) => read_json(file, "changes of an automation")?,
        None => AutomationUpdate::default(),
    };
    let schema = args.fields.schema()?;
    let Fields { script, kind, description, queue, timeout_s, max_concurrency, manual_minutes, requires, labels, .. } = args.fields;
    request.name = args.new_name.or(request.name);
    request.script_path = script.or(request.script_path);
    request.parameter_schema = schema.map(Some).or(request.parameter_schema);
    request.entrypoint_type = kind.map(Into::into).or(request.entrypoint_type);
    request.description = description.or(request.description);
    request.queue_name = queue.or(request.queue_name);
    request.timeout_s = timeout_s.map(Some).or(request.timeout_s);
    request.max_concurrency = max_concurrency.map(Some).or(request.max_concurrency);
    request.manual_minutes = manual_minutes.map(Some).or(request.manual_minutes);
    request.labels = some(labels).or(request.labels);
    request.requires = some(requires).or(request.requires);
    Ok(request)
}

fn some(labels: Vec<String>) -> Option<Vec<String>> {
    Some(labels).filter(|labels| !labels.is_empty())
}

const COLUMNS: [(&str, Width); 6] = [
    ("id", Width::Whole),
    ("name", Width::Whole),
    ("queue", Width::Cut),
    ("state", Width::Whole),
    ("script", Width::Cut),
    ("description", Width::Cut),
];

fn row(automation: &Automation) -> Vec<String> {
    let Automation { id, name, queue_name, script_path, description, .. } = automation.clone();
    vec![id.to_string(), name, queue_name, state(automation).to_owned(), script_path, description]
}

const fn state(automation: &Automation) -> &'static str {
    match automation {
        Automation { archived_at: Some(_), .. } => "archived",
        Automation { paused_at: Some(_), .. } => "paused",
        _ => "active",
    }
}

async fn show(hub: &Hub, automation: &Automation) -> Result<(), Fault> {
    let domain = match automation.domain_id {
        Some(id) => Some(hub.client.domain(id).await.map_err(|error| hub.fault(error))?.slug),
        None => None,
    };
    let Automation { paused_at, paused_until, paused_by, paused_reason, .. } = automation;
    facts([
        ("automation", Some(automation.name.clone())),
        ("id", Some(automation.id.to_string())),
        ("description", Some(automation.description.clone())),
        ("state", Some(state(automation).to_owned())),
        ("paused", pause(*paused_at, *paused_until, paused_by.as_deref(), paused_reason.as_deref())),
        ("domain", domain),
        ("labels", Some(automation.labels.join(", "))),
        ("queue", Some(automation.queue_name.clone())),
        ("type", Some(automation.entrypoint_type.as_str().to_owned())),
        ("script", Some(automation.script_path.clone())),
        ("priority", Some(automation.priority.to_string())),
        ("time-out", automation.timeout_s.map(|seconds| format!("{seconds} s"))),
        ("at once", automation.max_concurrency.map(|most| most.to_string())),
        ("by hand", automation.manual_minutes.map(|minutes| format!("{minutes} min"))),
        ("requires", Some(automation.requires.join(", "))),
        ("registered", Some(moment(automation.created_at))),
        ("changed", Some(moment(automation.updated_at))),
        ("defaults", Some(pretty(&Value::Object(automation.default_params.clone()))).filter(|text| text != "{}")),
        ("parameters", automation.parameter_schema.as_ref().map(pretty)),
        ("warnings", Some(automation.warnings.join("\n"))),
    ])?;
    Ok(())
}
