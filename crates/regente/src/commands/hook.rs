//! `regente hook`.

use api_types::{Hook, HookCreate, HookDelivery, HookDeliveryFilter, HookFilter, HookRotate, HookShown, HookUpdate};
use clap::{Args, Subcommand};
use domain::{
    hook::{Dedup, Filter, Mapped, Outcome as Became, Rotated, Scheme, Signature},
    ids::{HookDeliveryId, HookId},
};
use serde_json::{Map, Value};

use super::{
    Exit, Fault, Outcome, automation,
    output::{Width, facts, listed, moment, pretty},
    parameters::read_json,
    remote::{Hub, Remote},
};
use crate::terminal;

/// Arguments of `hook`.
#[derive(Args)]
pub(crate) struct HookArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: HookCommand,
}

#[derive(Subcommand)]
enum HookCommand {
    /// List hooks.
    List {
        /// Those of this automation, by name or id.
        #[arg(long, value_name = "NAME")]
        automation: Option<String>,
    },
    /// Show one hook.
    Show(Which),
    /// Create a hook, at which requests of another system start jobs of an automation.
    Create {
        /// The automation, by name or id.
        automation: String,
        /// What the hook is for.
        name: String,
        #[command(flatten)]
        rules: Box<RuleArgs>,
    },
    /// Change a hook. What is not given stays as it is.
    Update {
        #[command(flatten)]
        which: Which,
        /// New name.
        #[arg(long = "name", value_name = "NAME")]
        new_name: Option<String>,
        #[command(flatten)]
        rules: Box<RuleArgs>,
    },
    /// Replace the token of a hook, or its secret; the old one counts for a while.
    Rotate {
        #[command(flatten)]
        which: Which,
        /// What to replace: token, secret or both.
        #[arg(long, value_name = "WHAT", default_value = "token")]
        what: Rotated,
        /// File with the new secret, - for standard input; by default the hub makes one.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<String>,
        /// Seconds for which the old one still counts, by default a day.
        #[arg(long, value_name = "SECONDS")]
        keep_old_s: Option<u32>,
    },
    /// Refuse the requests to a hook with 503 until it is resumed.
    Pause(Which),
    /// Take requests to a hook again.
    Resume(Which),
    /// Delete a hook with its deliveries.
    Delete(Which),
    /// List what came to a hook, newest first, or show one delivery.
    Deliveries {
        #[command(flatten)]
        which: Which,
        /// Show this delivery, with its body.
        #[arg(long, value_name = "ID", conflicts_with_all = ["outcome", "limit"])]
        delivery: Option<HookDeliveryId>,
        /// Only those that became this: accepted, duplicate, filtered, skipped, refused or pending.
        #[arg(long, value_name = "OUTCOME")]
        outcome: Option<Became>,
        /// How many, by default 50.
        #[arg(long, value_name = "NUMBER", default_value_t = 50)]
        limit: u32,
    },
    /// Handle a kept delivery again, by the rules of now.
    Redeliver {
        #[command(flatten)]
        which: Which,
        /// The delivery's id.
        delivery: HookDeliveryId,
    },
}

/// One hook.
#[derive(Args)]
struct Which {
    /// Its name, or its id.
    #[arg(value_name = "HOOK")]
    hook: String,
    /// Name or id of its automation, if others have a hook of this name.
    #[arg(long, value_name = "NAME")]
    automation: Option<String>,
}

/// How a hook judges requests.
#[derive(Args)]
struct RuleArgs {
    /// How senders prove themselves: none, github, stripe, standard_webhooks, bearer or hmac.
    #[arg(long, value_name = "SCHEME")]
    scheme: Option<Scheme>,
    /// The header with the signature, for hmac; the one with the secret, for bearer.
    #[arg(long, value_name = "NAME", requires = "scheme")]
    signature_header: Option<String>,
    /// How the signature is written, for hmac: hex or base64.
    #[arg(long, value_name = "ENCODING", requires = "scheme")]
    signature_encoding: Option<domain::hook::Encoding>,
    /// What stands before the signature, for hmac.
    #[arg(long, value_name = "TEXT", requires = "scheme")]
    signature_prefix: Option<String>,
    /// File with the secret that the sender gave, - for standard input; by default the hub makes one.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
    /// A parameter that every job gets; repeat it for several. The value is JSON, or else a string.
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    params: Vec<(String, String)>,
    /// A parameter that is taken from the request: from a place of the body (`commit=/after`) or a header (`event=header:X-GitHub-Event`). A `!`
    /// behind the name refuses requests without it (`commit!=/after`). Repeat it for several.
    #[arg(short, long = "map", value_name = "NAME=PLACE", value_parser = pair)]
    maps: Vec<(String, String)>,
    /// A condition that a request must meet to start a job: `PLACE OPERATOR VALUE`, such as `/ref eq refs/heads/main`. The value is JSON, or else a
    /// string. Repeat it for several.
    #[arg(short, long = "filter", value_name = "CONDITION")]
    filters: Vec<String>,
    /// What makes two requests the same one: `header:NAME`, or places of the body separated by commas.
    #[arg(long, value_name = "PLACES")]
    dedup: Option<String>,
    /// File with the fields `signature`, `parameters`, `mapping`, `filter` and `dedup` as JSON, - for standard input; the options override it.
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
}

impl RuleArgs {
    /// The fields that are given.
    fn read(self) -> Result<HookUpdate, Fault> {
        let mut given = match self.file.as_deref() {
            Some(file) => read_json::<HookUpdate>(file, "a JSON object with fields of a hook")?,
            None => HookUpdate::default(),
        };
        if let Some(scheme) = self.scheme {
            let (header, encoding, prefix) = (self.signature_header, self.signature_encoding, self.signature_prefix);
            given.signature = Some(Signature { scheme, header, encoding, prefix });
        }
        if let Some(file) = &self.secret_file {
            given.secret = Some(read_secret(file)?);
        }
        if !self.params.is_empty() {
            given.parameters = Some(self.params.into_iter().map(|(name, value)| (name, value_of(&value))).collect::<Map<_, _>>());
        }
        if !self.maps.is_empty() {
            given.mapping = Some(self.maps.into_iter().map(|(name, place)| mapped(name, &place)).collect());
        }
        if !self.filters.is_empty() {
            given.filter = Some(self.filters.iter().map(|text| condition(text)).collect::<Result<_, _>>()?);
        }
        if let Some(dedup) = &self.dedup {
            given.dedup = Some(match dedup.strip_prefix(HEADER) {
                Some(name) => Dedup { header: Some(name.to_owned()), pointers: Vec::new() },
                None => Dedup { header: None, pointers: dedup.split(',').filter(|text| !text.is_empty()).map(str::to_owned).collect() },
            });
        }
        Ok(given)
    }
}

/// What a place begins with that is a header.
const HEADER: &str = "header:";

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "must be NAME=VALUE".to_owned())
}

/// A value as it is typed: JSON, or else a string.
pub(super) fn value_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// A place as pointer or header.
fn place(text: &str) -> (Option<String>, Option<String>) {
    match text.strip_prefix(HEADER) {
        Some(name) => (None, Some(name.to_owned())),
        None => (Some(text.to_owned()), None),
    }
}

fn mapped(name: String, text: &str) -> (String, Mapped) {
    let (pointer, header) = place(text);
    let (name, required) = name.strip_suffix('!').map_or((name.clone(), false), |name| (name.to_owned(), true));
    (name, Mapped { pointer, header, required, default: None })
}

fn condition(text: &str) -> Result<Filter, Fault> {
    let mut words = text.splitn(3, ' ');
    let (at, operator, value) = (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next());
    let operator = operator.parse().map_err(|error| Fault::input(format!("--filter \"{text}\" must be PLACE OPERATOR VALUE: {error}")))?;
    let (pointer, header) = place(at);
    Ok(Filter { pointer, header, operator, value: value.map(value_of) })
}

/// A secret from a file: not from the arguments, which other users of the machine can see.
pub(super) fn read_secret(file: &str) -> Result<String, Fault> {
    let read = if file == "-" { std::io::read_to_string(std::io::stdin().lock()) } else { std::fs::read_to_string(file) };
    let name = if file == "-" { "standard input" } else { file };
    let text = read.map_err(|error| Fault::input(format!("cannot read {name}: {error}")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

pub(super) async fn run(args: HookArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        HookCommand::List { automation } => {
            let automation_id = match automation {
                Some(name) => Some(automation::find(&hub, &name).await?.id),
                None => None,
            };
            let filter = HookFilter { limit: Some(1000), automation_id, ..HookFilter::default() };
            listed(&hub, hub.client.hooks(&filter), is_json, &COLUMNS, row).await
        }
        HookCommand::Show(which) => show(&hub, find(&hub, &which).await?, is_json).await,
        HookCommand::Create { automation, name, rules } => {
            let automation_id = automation::find(&hub, &automation).await?.id;
            let HookUpdate { name: _, signature, secret, parameters, mapping, filter, dedup } = rules.read()?;
            let request = HookCreate { automation_id, name, signature, secret, parameters, mapping, filter, dedup };
            let url = hub.client.url().to_owned();
            hub.change(hub.client.hook_create(&request), is_json, |shown| says(&url, "is created", shown)).await
        }
        HookCommand::Update { which, new_name, rules } => {
            let given = rules.read()?;
            let request = HookUpdate { name: new_name.or(given.name.clone()), ..given };
            let id = find(&hub, &which).await?;
            let url = hub.client.url().to_owned();
            hub.change(hub.client.hook_update(id, &request), is_json, |shown| says(&url, "is changed", shown)).await
        }
        HookCommand::Rotate { which, what, secret_file, keep_old_s } => {
            let secret = secret_file.as_deref().map(read_secret).transpose()?;
            let id = find(&hub, &which).await?;
            let url = hub.client.url().to_owned();
            let call = hub.client.hook_rotate(id, &HookRotate { what, secret, keep_old_s });
            hub.change(call, is_json, |shown| says(&url, "is rotated", shown)).await
        }
        HookCommand::Pause(which) => {
            let id = find(&hub, &which).await?;
            hub.change(hub.client.hook_pause(id), is_json, |hook: &Hook| format!("Hook {} is paused.", hook.name)).await
        }
        HookCommand::Resume(which) => {
            let id = find(&hub, &which).await?;
            hub.change(hub.client.hook_resume(id), is_json, |hook: &Hook| format!("Hook {} takes requests again.", hook.name)).await
        }
        HookCommand::Delete(which) => {
            let id = find(&hub, &which).await?;
            hub.client.hook_delete(id).await.map_err(|error| hub.fault(error))?;
            if !is_json {
                terminal::line("The hook is deleted.")?;
            }
            Ok(Exit::Done)
        }
        HookCommand::Deliveries { which, delivery, outcome, limit } => {
            let id = find(&hub, &which).await?;
            match delivery {
                Some(delivery) => show_delivery(&hub, id, delivery, is_json).await,
                None => deliveries(&hub, id, (outcome, limit), is_json).await,
            }
        }
        HookCommand::Redeliver { which, delivery } => {
            let id = find(&hub, &which).await?;
            hub.change(hub.client.hook_redeliver(id, delivery), is_json, |answer: &api_types::HookAnswer| {
                let job = answer.job_id.map(|id| format!(": job {id}")).unwrap_or_default();
                format!("{}{job}", answer.outcome)
            })
            .await
        }
    }
}

/// The id of the hook with this name, else of that with this id.
async fn find(hub: &Hub, which: &Which) -> Result<HookId, Fault> {
    let Which { hook: name, automation } = which;
    let automation_id = match automation {
        Some(automation) => Some(automation::find(hub, automation).await?.id),
        None => None,
    };
    let filter = HookFilter { limit: Some(2), automation_id, name: Some(name.clone()), ..HookFilter::default() };
    let found = hub.client.hooks(&filter).page().await.map_err(|error| hub.fault(error))?;
    match found.as_slice() {
        [one] => Ok(one.id),
        [one, other] if one.automation_id == other.automation_id => {
            Err(Fault::input(format!("{} and {} are hooks \"{name}\" of one automation: give the id", one.id, other.id)))
        }
        [_, ..] => Err(Fault::input(format!("several automations have a hook \"{name}\": name one with --automation, or give the id"))),
        [] => {
            let missing = || Fault::here(format!("there is no hook \"{name}\" at {}: `regente hook list` lists them", hub.client.url()));
            name.parse().map_err(|_| missing())
        }
    }
}

/// What was made, with the address that senders need.
fn says(url: &str, what: &str, HookShown { token, secret, hook }: &HookShown) -> String {
    let mut lines = vec![format!("Hook {} ({}) {what}.", hook.name, hook.id)];
    lines.extend(token.as_ref().map(|token| format!("Address (shown this once): {url}/api/v1/hooks/{token}")));
    lines.extend(secret.as_ref().map(|secret| format!("Secret (shown this once): {secret}")));
    lines.join("\n")
}

async fn show(hub: &Hub, id: HookId, is_json: bool) -> Outcome {
    let text = hub.client.hook(id).text().await.map_err(|error| hub.fault(error))?;
    if is_json {
        terminal::line(&text)?;
        return Ok(Exit::Done);
    }
    let hook: Hook = super::remote::parse(&text)?;
    let json = |value: Value| Some(pretty(&value)).filter(|text| !matches!(text.as_str(), "{}" | "[]"));
    let rules = [
        ("parameters", Value::Object(hook.parameters)),
        ("mapping", json_of(&hook.mapping)),
        ("filter", json_of(&hook.filter)),
        ("dedup", json_of(&hook.dedup)),
    ];
    let known = [
        ("name", Some(hook.name)),
        ("id", Some(hook.id.to_string())),
        ("automation", Some(hook.automation_id.to_string())),
        ("token", Some(format!("{}…", hook.token_prefix))),
        ("old token", hook.old_token_until.map(|at| format!("until {}", moment(at)))),
        ("scheme", Some(hook.signature.scheme.to_string())),
        ("header", hook.signature.header),
        ("old secret", hook.old_secret_until.map(|at| format!("until {}", moment(at)))),
        ("paused", super::pause::pause(hook.paused_at, None, hook.paused_by.as_deref(), None)),
        ("changed", Some(format!("{} by {}", moment(hook.updated_at), hook.updated_by))),
    ];
    facts(known.into_iter().chain(rules.map(|(name, value)| (name, json(value)))))?;
    Ok(Exit::Done)
}

fn json_of(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

async fn deliveries(hub: &Hub, id: HookId, (outcome, limit): (Option<Became>, u32), is_json: bool) -> Outcome {
    let filter = HookDeliveryFilter { limit: Some(limit.min(1000)), after: None, outcome };
    let list = hub.client.hook_deliveries(id, &filter);
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    if is_json {
        super::output::json_list(hub, list, most).await?;
    } else {
        let found = list.take(most).await.map_err(|error| hub.fault(error))?;
        super::output::table(&DELIVERY_COLUMNS, &found.iter().map(delivery_row).collect::<Vec<_>>())?;
    }
    Ok(Exit::Done)
}

async fn show_delivery(hub: &Hub, id: HookId, delivery: HookDeliveryId, is_json: bool) -> Outcome {
    let text = hub.client.hook_delivery(id, delivery).text().await.map_err(|error| hub.fault(error))?;
    if is_json {
        terminal::line(&text)?;
        return Ok(Exit::Done);
    }
    let one: HookDelivery = super::remote::parse(&text)?;
    let headers = one.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n");
    facts([
        ("id", Some(one.id.to_string())),
        ("received", Some(moment(one.received_at))),
        ("outcome", Some(one.outcome.to_string())),
        ("status", Some(one.status.to_string())),
        ("reason", one.reason),
        ("key", one.dedup_key),
        ("job", one.job_id.map(|id| id.to_string())),
        ("repeats", one.redelivery_of.map(|id| id.to_string())),
        ("from", one.address),
        ("request", one.request_id),
        ("headers", Some(headers)),
        ("parameters", one.parameters.map(|parameters| pretty(&Value::Object(parameters)))),
        ("bytes", Some(one.body_bytes.to_string())),
        ("body", one.body),
    ])?;
    Ok(Exit::Done)
}

const COLUMNS: [(&str, Width); 6] = [
    ("id", Width::Whole),
    ("name", Width::Cut),
    ("automation", Width::Whole),
    ("token", Width::Whole),
    ("scheme", Width::Whole),
    ("paused", Width::Cut),
];

fn row(hook: &Hook) -> Vec<String> {
    let paused = super::pause::pause(hook.paused_at, None, hook.paused_by.as_deref(), None).unwrap_or_default();
    let scheme = hook.signature.scheme.to_string();
    vec![hook.id.to_string(), hook.name.clone(), hook.automation_id.to_string(), format!("{}…", hook.token_prefix), scheme, paused]
}

const DELIVERY_COLUMNS: [(&str, Width); 6] = [
    ("id", Width::Whole),
    ("received", Width::Whole),
    ("outcome", Width::Whole),
    ("status", Width::Whole),
    ("job", Width::Whole),
    ("reason", Width::Cut),
];

fn delivery_row(one: &HookDelivery) -> Vec<String> {
    let job = one.job_id.map(|id| id.to_string()).unwrap_or_default();
    vec![
        one.id.to_string(),
        moment(one.received_at),
        one.outcome.to_string(),
        one.status.to_string(),
        job,
        one.reason.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_and_places_are_read() {
        let read = |text: &str| serde_json::to_value(condition(text).map_err(|fault| fault.text).unwrap()).unwrap();
        assert_eq!(read("/ref eq refs/heads/main"), json!({"pointer": "/ref", "operator": "eq", "value": "refs/heads/main"}));
        assert_eq!(read("header:X-Event in [\"a\", 1]"), json!({"header": "X-Event", "operator": "in", "value": ["a", 1]}));
        assert_eq!(read("/a exists"), json!({"pointer": "/a", "operator": "exists"}));
        assert_eq!(read("/text eq two words"), json!({"pointer": "/text", "operator": "eq", "value": "two words"}));
        assert!(condition("/ref").is_err() && condition("/ref like x").is_err());
        assert_eq!(mapped("a!".into(), "/b"), ("a".into(), Mapped { pointer: Some("/b".into()), required: true, ..Mapped::default() }));
        assert_eq!(mapped("a".into(), "header:X"), ("a".into(), Mapped { header: Some("X".into()), ..Mapped::default() }));
    }
}
