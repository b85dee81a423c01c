//! What people set of a chain.

use api_types::{Chain, ChainCondition, ChainCreate, ChainInput, ChainParameter, ChainUpdate};
use clap::Args;
use domain::chain::{Ending, Join};

use super::{Which, after, find};
use crate::commands::{
    Fault, Outcome, automation,
    hook::value_of,
    parameters::{ParameterArgs, read_json},
    remote::Hub,
};

/// A new chain. Omitted options have the API's defaults.
#[derive(Args)]
pub(super) struct CreateArgs {
    /// Name or id of the automation that it runs.
    automation: String,
    /// Name of the chain.
    name: String,
    /// File with fields of the chain in the API's JSON, - for standard input; options override it.
    #[arg(long, short = 'F', value_name = "FILE")]
    file: Option<String>,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    parameters: ParameterArgs,
}

/// Changes of a chain. What is not given stays as it is.
#[derive(Args)]
pub(super) struct SetArgs {
    #[command(flatten)]
    which: Which,
    /// New name.
    #[arg(long = "name", value_name = "NAME")]
    new_name: Option<String>,
    /// Switch it on (true) or off (false).
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
    /// File with the fields to change in the API's JSON (null: none), - for standard input; options override it.
    #[arg(long, short = 'F', value_name = "FILE")]
    file: Option<String>,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    parameters: ParameterArgs,
}

/// What people set most.
#[derive(Args)]
struct Fields {
    /// An automation that it waits for, by name or id, and which of its ends count: completed (the default), failed or any, as in
    /// "download:any". Repeat it for several.
    #[arg(long, value_name = "NAME[:ENDING]")]
    after: Vec<String>,
    /// What the result of an automation that it waits for must say: `/count gt 0`, or `download:/count gt 0` where it waits for several. The
    /// value is JSON, or else a string. One for each of them.
    #[arg(long = "if", value_name = "CONDITION", requires = "after")]
    conditions: Vec<String>,
    /// How many of them must have ended: any, all (in work that began with the same job) or all_today.
    #[arg(long, value_name = "JOIN")]
    join: Option<Join>,
    /// Its jobs are created at this time of day or later, such as 07:30.
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
    /// IANA time zone; by default that of the hub's settings.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// A parameter that is taken from a result: `files=/files` from the job that ended last, `files=download:/files` from that of an automation.
    /// Repeat it for several.
    #[arg(long = "take", value_name = "PARAMETER=PLACE")]
    taken: Vec<String>,
}

pub(super) async fn create(hub: &Hub, args: CreateArgs, is_json: bool) -> Outcome {
    let automation = automation::find(hub, &args.automation).await?;
    let given = args.fields.read(hub, from_file(args.file.as_deref())?).await?;
    let mut parameters = args.parameters.file()?.or(given.parameters).unwrap_or_default();
    args.parameters.set(&mut parameters, automation.parameter_schema.as_ref())?;
    let request = ChainCreate {
        automation_id: automation.id,
        name: args.name,
        enabled: given.enabled,
        inputs: given.inputs.unwrap_or_default(),
        join: given.join.unwrap_or_default(),
        not_before: given.not_before.flatten(),
        timezone: given.timezone,
        parameters,
        parameters_from: given.parameters_from.unwrap_or_default(),
    };
    let says = |chain: &Chain| format!("Chain {} runs {} after {}.", chain.name, chain.automation_name, after(chain));
    hub.change(hub.client.chain_create(&request), is_json, says).await
}

pub(super) async fn set(hub: &Hub, args: SetArgs, is_json: bool) -> Outcome {
    let chain = find(hub, &args.which).await?;
    let mut request = args.fields.read(hub, from_file(args.file.as_deref())?).await?;
    request.name = args.new_name.or(request.name);
    request.enabled = args.enabled.or(request.enabled);
    if !args.parameters.is_empty() {
        let automation = hub.client.automation(chain.automation_id).await.map_err(|error| hub.fault(error))?;
        let before = request.parameters.take().unwrap_or(chain.parameters);
        let mut parameters = args.parameters.file()?.unwrap_or(before);
        args.parameters.set(&mut parameters, automation.parameter_schema.as_ref())?;
        request.parameters = Some(parameters);
    }
    let says = |chain: &Chain| format!("Chain {} is changed: it runs {} after {}.", chain.name, chain.automation_name, after(chain));
    hub.change(hub.client.chain_update(chain.id, &request), is_json, says).await
}

fn from_file(name: Option<&str>) -> Result<ChainUpdate, Fault> {
    name.map_or_else(|| Ok(ChainUpdate::default()), |name| read_json(name, "a JSON object with fields of a chain"))
}

impl Fields {
    /// Sets what is given.
    async fn read(self, hub: &Hub, mut request: ChainUpdate) -> Result<ChainUpdate, Fault> {
        let Self { after, conditions, join, not_before, timezone, taken } = self;
        // As they are written, with their ids.
        let mut known: Vec<(String, ChainInput)> = Vec::new();
        for text in &after {
            let (name, on) = input(text);
            let automation_id = automation::find(hub, name).await?.id;
            known.push((name.to_owned(), ChainInput { automation_id, automation_name: None, on, condition: None }));
        }
        for text in &conditions {
            let (name, rest) = placed(text);
            let condition = condition(rest)?;
            let only = known.len() == 1;
            let meant = known.iter_mut().find(|(known, _)| name.map_or(only, |name| name == known));
            let Some((_, input)) = meant else {
                return Err(Fault::input(format!("--if \"{text}\" must begin with the name of an automation of --after and a colon")));
            };
            if input.condition.replace(condition).is_some() {
                return Err(Fault::input(format!("--if \"{text}\" is a second condition for the same automation; it has one")));
            }
        }
        if !taken.is_empty() {
            let mut places = Vec::new();
            for text in &taken {
                places.push(parameter(hub, text).await?);
            }
            request.parameters_from = Some(places);
        }
        if !known.is_empty() {
            request.inputs = Some(known.into_iter().map(|(_, input)| input).collect());
        }
        request.join = join.or(request.join);
        request.not_before = not_before.map(Some).or(request.not_before);
        request.timezone = timezone.or(request.timezone);
        Ok(request)
    }
}

/// A name, and the ending behind its last colon if that is one.
fn input(text: &str) -> (&str, Ending) {
    let split = text.rsplit_once(':').and_then(|(name, ending)| Some((name, Ending::parse(ending)?)));
    split.unwrap_or((text, Ending::Completed))
}

/// What stands before `:/`, and the pointer with what follows it.
fn placed(text: &str) -> (Option<&str>, &str) {
    match text.split_once(":/") {
        Some((name, rest)) if !text.starts_with('/') => (Some(name), &text[text.len() - rest.len() - 1..]),
        _ => (None, text),
    }
}

fn condition(text: &str) -> Result<ChainCondition, Fault> {
    let mut words = text.splitn(3, ' ');
    let (pointer, operator, value) = (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next());
    let operator = operator.parse().map_err(|error| Fault::input(format!("--if \"{text}\" must be PLACE OPERATOR VALUE: {error}")))?;
    Ok(ChainCondition { pointer: pointer.to_owned(), operator, value: value.map(value_of) })
}

async fn parameter(hub: &Hub, text: &str) -> Result<ChainParameter, Fault> {
    let Some((parameter, place)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(Fault::input(format!("--take \"{text}\" must be PARAMETER=PLACE")));
    };
    let (name, pointer) = placed(place);
    let automation_id = automation::find_id(hub, name).await?;
    Ok(ChainParameter { parameter: parameter.to_owned(), pointer: pointer.to_owned(), automation_id })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn inputs_conditions_and_places_are_read() {
        assert_eq!(input("download"), ("download", Ending::Completed));
        assert_eq!(input("download:any"), ("download", Ending::Any));
        assert_eq!(input("NF-e: São Paulo:failed"), ("NF-e: São Paulo", Ending::Failed));
        assert_eq!(input("NF-e: São Paulo"), ("NF-e: São Paulo", Ending::Completed));
        assert_eq!(placed("/count gt 0"), (None, "/count gt 0"));
        assert_eq!(placed("download:/count gt 0"), (Some("download"), "/count gt 0"));
        assert_eq!(placed("/url eq http://x"), (None, "/url eq http://x"));
        assert_eq!(placed(""), (None, ""));
        let read = |text: &str| serde_json::to_value(condition(text).map_err(|fault| fault.text).unwrap()).unwrap();
        assert_eq!(read("/count gt 0"), json!({"pointer": "/count", "operator": "gt", "value": 0}));
        assert_eq!(read("/a eq two words"), json!({"pointer": "/a", "operator": "eq", "value": "two words"}));
        assert_eq!(read("/a exists"), json!({"pointer": "/a", "operator": "exists"}));
        assert!(condition("/a").is_err() && condition("/a like b").is_err());
    }
}
