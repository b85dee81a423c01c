//! `regente chain`.

mod fields;

use api_types::{Chain, ChainFilter, ChainInput, ChainRun, ChainRunFilter};
use clap::{Args, Subcommand};
use domain::chain::RunState;
use serde_json::Value;

use self::fields::{CreateArgs, SetArgs};
use super::{
    Exit, Fault, Outcome, automation,
    named::Named,
    output::{Width, facts, json_list, listed, moment, pretty, table},
    remote::{Hub, Remote, parse},
};
use crate::terminal;

/// Arguments of `chain`.
#[derive(Args)]
pub(crate) struct ChainArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: ChainCommand,
}

#[derive(Subcommand)]
enum ChainCommand {
    /// Create a chain, from options, a file, or both.
    Create(Box<CreateArgs>),
    /// Change a chain, from options, a file, or both.
    Set(Box<SetArgs>),
    /// List chains.
    List {
        /// Only those that run this automation, by name or id.
        #[arg(long, value_name = "NAME")]
        automation: Option<String>,
        /// Only those that wait for this automation, by name or id.
        #[arg(long, value_name = "NAME")]
        after: Option<String>,
    },
    /// Show one chain.
    Show(Which),
    /// Delete a chain with its runs; its jobs stay.
    Delete(Which),
    /// Switch a chain on: what ends from now on counts.
    Enable(Which),
    /// Switch a chain off: nothing counts, and runs that wait get no job.
    Disable(Which),
    /// List the runs of a chain, newest first.
    Runs {
        #[command(flatten)]
        which: Which,
        /// Only those in this state: waiting, created, skipped or refused.
        #[arg(long, value_name = "STATE")]
        state: Option<RunState>,
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
}

/// One chain.
#[derive(Args)]
struct Which {
    /// Its name, or its id.
    name: String,
    /// Name or id of the automation that it runs, if others have a chain of this name.
    #[arg(long, value_name = "NAME")]
    automation: Option<String>,
}

pub(super) async fn run(args: ChainArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        ChainCommand::Create(args) => fields::create(&hub, *args, is_json).await,
        ChainCommand::Set(args) => fields::set(&hub, *args, is_json).await,
        ChainCommand::List { automation, after } => {
            let (automation_id, input_id) =
                (automation::find_id(&hub, automation.as_deref()).await?, automation::find_id(&hub, after.as_deref()).await?);
            let filter = ChainFilter { limit: Some(1000), automation_id, input_id, ..ChainFilter::default() };
            listed(&hub, hub.client.chains(&filter), is_json, &COLUMNS, row).await
        }
        ChainCommand::Show(which) => {
            let call = hub.client.chain(find(&hub, &which).await?.id);
            let text = call.text().await.map_err(|error| hub.fault(error))?;
            if is_json {
                terminal::line(&text)?;
            } else {
                show(&parse(&text)?)?;
            }
            Ok(Exit::Done)
        }
        ChainCommand::Delete(which) => {
            let chain = find(&hub, &which).await?;
            hub.client.chain_delete(chain.id).await.map_err(|error| hub.fault(error))?;
            if !is_json {
                terminal::line(&format!("Chain {} is deleted.", chain.name))?;
            }
            Ok(Exit::Done)
        }
        ChainCommand::Enable(which) => {
            let id = find(&hub, &which).await?.id;
            hub.change(hub.client.chain_enable(id), is_json, |chain: &Chain| format!("Chain {} is {}.", chain.name, state(chain))).await
        }
        ChainCommand::Disable(which) => {
            let id = find(&hub, &which).await?.id;
            hub.change(hub.client.chain_disable(id), is_json, |chain: &Chain| format!("Chain {} is off.", chain.name)).await
        }
        ChainCommand::Runs { which, state, limit } => runs(&hub, which, (state, limit), is_json).await,
    }
}

/// The chain with this name, else with this id.
async fn find(hub: &Hub, which: &Which) -> Result<Chain, Fault> {
    let Which { name, automation } = which;
    let automation_id = automation::find_id(hub, automation.as_deref()).await?;
    let filter = ChainFilter { automation_id, name: Some(name.clone()), limit: Some(2), ..ChainFilter::default() };
    let found = hub.client.chains(&filter).page().await.map_err(|error| hub.fault(error))?;
    let named = Named { kind: "chain", name };
    named.one(hub, found, |chain| &chain.automation_name, async |id| hub.client.chain(id).await).await
}

async fn runs(hub: &Hub, which: Which, (state, limit): (Option<RunState>, usize), is_json: bool) -> Outcome {
    let id = find(hub, &which).await?.id;
    let page = u32::try_from(limit.clamp(1, 1000)).ok();
    let list = hub.client.chain_runs(id, &ChainRunFilter { limit: page, state, after: None });
    if is_json {
        json_list(hub, list, limit).await?;
    } else {
        let found = list.take(limit).await.map_err(|error| hub.fault(error))?;
        table(&RUN_COLUMNS, &found.iter().map(run_row).collect::<Vec<_>>())?;
    }
    Ok(Exit::Done)
}

const COLUMNS: [(&str, Width); 5] =
    [("id", Width::Whole), ("automation", Width::Cut), ("name", Width::Cut), ("after", Width::Cut), ("state", Width::Whole)];

fn row(chain: &Chain) -> Vec<String> {
    vec![chain.id.to_string(), chain.automation_name.clone(), chain.name.clone(), after(chain), state(chain)]
}

/// What it waits for, in words.
fn after(chain: &Chain) -> String {
    let join = match chain.join {
        domain::chain::Join::Any => " or ",
        domain::chain::Join::All | domain::chain::Join::AllToday => " and ",
    };
    let inputs: Vec<String> = chain.inputs.iter().map(|input| format!("{} ({})", name(input), input.on)).collect();
    inputs.join(join)
}

fn name(input: &ChainInput) -> String {
    input.automation_name.clone().unwrap_or_else(|| format!("automation {}", input.automation_id))
}

fn state(chain: &Chain) -> String {
    match chain.state_reason {
        Some(reason) => format!("{} ({})", chain.state, reason.as_str().replace('_', " ")),
        None => chain.state.to_string(),
    }
}

const RUN_COLUMNS: [(&str, Width); 6] = [
    ("ended", Width::Whole),
    ("due", Width::Whole),
    ("state", Width::Whole),
    ("after", Width::Whole),
    ("job", Width::Whole),
    ("why", Width::Cut),
];

fn run_row(run: &ChainRun) -> Vec<String> {
    let job = run.job_id.map(|id| id.to_string()).unwrap_or_default();
    let why = run.detail.clone().or_else(|| run.reason.clone()).unwrap_or_default();
    vec![moment(run.created_at), moment(run.due_at), run.state.to_string(), run.after_job_id.to_string(), job, why]
}

fn show(chain: &Chain) -> Result<(), Fault> {
    let condition = |input: &ChainInput| {
        let condition = input.condition.as_ref()?;
        let value = condition.value.as_ref().map(|value| format!(" {value}")).unwrap_or_default();
        Some(format!("{}:{} {}{value}", name(input), condition.pointer, condition.operator))
    };
    let of = |taken: &api_types::ChainParameter| {
        let input = chain.inputs.iter().find(|input| Some(input.automation_id) == taken.automation_id);
        let place = input.map(|input| format!("{}:", name(input))).unwrap_or_default();
        format!("{}={place}{}", taken.parameter, taken.pointer)
    };
    let lines = |items: Vec<String>| Some(items.join("\n")).filter(|text| !text.is_empty());
    facts([
        ("chain", Some(chain.name.clone())),
        ("id", Some(chain.id.to_string())),
        ("automation", Some(chain.automation_name.clone())),
        ("after", Some(after(chain))),
        ("join", Some(chain.join.to_string())),
        ("if", lines(chain.inputs.iter().filter_map(condition).collect())),
        ("not before", chain.not_before.clone()),
        ("zone", Some(chain.timezone.clone())),
        ("state", Some(state(chain))),
        ("since", Some(moment(chain.since_at))),
        ("parameters", Some(pretty(&Value::Object(chain.parameters.clone()))).filter(|text| text != "{}")),
        ("taken", lines(chain.parameters_from.iter().map(of).collect())),
        ("changed", Some(format!("{} by {}", moment(chain.updated_at), chain.updated_by.as_deref().unwrap_or("-")))),
    ])?;
    Ok(())
}
