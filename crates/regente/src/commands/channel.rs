//! `regente channel`.

use api_types::{Channel, ChannelCreate, ChannelFilter, ChannelRotate, ChannelShown, ChannelTest, ChannelUpdate};
use clap::{Args, Subcommand};
use domain::{ids::ChannelId, notification::ChannelKind, schedule::words::Language};
use serde_json::{Map, Value, json};

use super::{
    Exit, Fault, Outcome,
    hook::{pair, read_secret, value_of},
    named::Named,
    output::{Width, facts, listed, moment, pretty},
    parameters::read_json,
    remote::{Hub, Remote},
};
use crate::terminal;

/// Arguments of `channel`.
#[derive(Args)]
pub(crate) struct ChannelArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: ChannelCommand,
}

#[derive(Subcommand)]
enum ChannelCommand {
    /// List channels.
    List {
        /// Those of this kind: email, slack, teams, webhook, pagerduty, jira or telegram.
        #[arg(long, value_name = "KIND")]
        kind: Option<ChannelKind>,
    },
    /// Show one channel.
    Show(Which),
    /// Create a channel, over which people are told of alerts.
    Create {
        /// What the channel is for.
        name: String,
        /// Where messages go: email, slack, teams, webhook, pagerduty, jira or telegram.
        kind: ChannelKind,
        #[command(flatten)]
        fields: Box<FieldArgs>,
    },
    /// Change a channel. What is not given stays as it is.
    Update {
        #[command(flatten)]
        which: Which,
        /// New name.
        #[arg(long = "name", value_name = "NAME")]
        new_name: Option<String>,
        /// Send messages to it again.
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Send no messages to it.
        #[arg(long)]
        disable: bool,
        #[command(flatten)]
        fields: Box<FieldArgs>,
    },
    /// Send a test message over a channel, and say what became of it.
    Test(Which),
    /// Replace the signing secret of a webhook; requests are signed with the old one too for a while.
    Rotate {
        #[command(flatten)]
        which: Which,
        /// File with the new secret, - for standard input; by default the hub makes one.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<String>,
        /// Seconds for which the old one signs too, by default a day.
        #[arg(long, value_name = "SECONDS")]
        keep_old_s: Option<u32>,
    },
    /// Delete a channel with its secrets.
    Delete(Which),
}

/// One channel.
#[derive(Args)]
struct Which {
    /// Its name, or its id.
    #[arg(value_name = "CHANNEL")]
    channel: String,
}

/// What people set of a channel.
#[derive(Args)]
struct FieldArgs {
    /// A setting of its kind, such as `host=smtp.example.com` or `to=["ops@example.com"]`; repeat it for several. The value is JSON, or else a string.
    #[arg(short, long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    settings: Vec<(String, String)>,
    /// A secret, from a file: `password=FILE`, - for standard input; repeat it for several.
    #[arg(long = "secret-file", value_name = "NAME=FILE", value_parser = pair)]
    secrets: Vec<(String, String)>,
    /// Language of its messages: pt-BR or en.
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<Language>,
    /// File with fields of the channel as JSON, such as `routing`, `quiet_hours`, `group_wait_s` and `templates`, - for standard input; the options
    /// override it.
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
}

impl FieldArgs {
    /// The fields that are given; settings are those of `current` with the given ones in their place.
    fn read(self, current: impl FnOnce() -> Map<String, Value>) -> Result<ChannelUpdate, Fault> {
        let mut given = match self.file.as_deref() {
            Some(file) => read_json::<ChannelUpdate>(file, "a JSON object with fields of a channel")?,
            None => ChannelUpdate::default(),
        };
        if !self.settings.is_empty() {
            let mut settings = given.settings.take().unwrap_or_else(current);
            for (name, value) in self.settings {
                match value_of(&value) {
                    Value::Null => drop(settings.remove(&name)),
                    value => drop(settings.insert(name, value)),
                }
            }
            given.settings = Some(settings);
        }
        if !self.secrets.is_empty() {
            let mut secrets = given.secrets.take().unwrap_or_default();
            for (name, file) in self.secrets {
                secrets.insert(name, Some(read_secret(&file)?));
            }
            given.secrets = Some(secrets);
        }
        given.language = self.language.or(given.language);
        Ok(given)
    }
}

pub(super) async fn run(args: ChannelArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        ChannelCommand::List { kind } => {
            let filter = ChannelFilter { limit: Some(1000), kind, ..ChannelFilter::default() };
            listed(&hub, hub.client.channels(&filter), is_json, &COLUMNS, row).await
        }
        ChannelCommand::Show(which) => show(&hub, find(&hub, &which.channel).await?.id, is_json).await,
        ChannelCommand::Create { name, kind, fields } => {
            let request = created(name, kind, fields.read(Map::new)?)?;
            hub.change(hub.client.channel_create(&request), is_json, |shown| says("is created", shown)).await
        }
        ChannelCommand::Update { which, new_name, enable, disable, fields } => {
            let channel = find(&hub, &which.channel).await?;
            let current = channel.settings.as_object().cloned().unwrap_or_default();
            let given = fields.read(|| current)?;
            let enabled = if enable || disable { Some(enable) } else { given.enabled };
            let request = ChannelUpdate { name: new_name.or(given.name.clone()), enabled, ..given };
            let call = hub.client.channel_update(channel.id, &request);
            hub.change(call, is_json, |channel: &Channel| format!("Channel {} is changed.", channel.name)).await
        }
        ChannelCommand::Test(which) => test(&hub, find(&hub, &which.channel).await?.id, is_json).await,
        ChannelCommand::Rotate { which, secret_file, keep_old_s } => {
            let signing_secret = secret_file.as_deref().map(read_secret).transpose()?;
            let id = find(&hub, &which.channel).await?.id;
            let call = hub.client.channel_rotate(id, &ChannelRotate { signing_secret, keep_old_s });
            hub.change(call, is_json, |shown| says("is rotated", shown)).await
        }
        ChannelCommand::Delete(which) => {
            let id = find(&hub, &which.channel).await?.id;
            hub.client.channel_delete(id).await.map_err(|error| hub.fault(error))?;
            if !is_json {
                terminal::line("The channel is deleted.")?;
            }
            Ok(Exit::Done)
        }
    }
}

/// A new channel of what is given; the rest has the hub's defaults.
fn created(name: String, kind: ChannelKind, given: ChannelUpdate) -> Result<ChannelCreate, Fault> {
    let mut body = serde_json::to_value(&given).map_err(|error| Fault::input(error.to_string()))?;
    (body["name"], body["kind"]) = (json!(name), json!(kind));
    serde_json::from_value(body).map_err(|error| Fault::input(format!("a new channel has no such field: {error}")))
}

/// The channel with this name, else that with this id.
pub(super) async fn find(hub: &Hub, name: &str) -> Result<Channel, Fault> {
    let filter = ChannelFilter { limit: Some(1), name: Some(name.to_owned()), ..ChannelFilter::default() };
    let found = hub.client.channels(&filter).page().await.map_err(|error| hub.fault(error))?;
    Named { kind: "channel", name }.one(hub, found, |_| "", async |id| hub.client.channel(id).await).await
}

fn says(what: &str, ChannelShown { signing_secret, channel }: &ChannelShown) -> String {
    let made = signing_secret.as_ref().map(|secret| format!("\nSigning secret (shown this once): {secret}")).unwrap_or_default();
    format!("Channel {} ({}) {what}.{made}", channel.name, channel.id)
}

/// Sends the message; ends with a failure when it was not taken.
async fn test(hub: &Hub, id: ChannelId, is_json: bool) -> Outcome {
    let text = hub.client.channel_test(id).text().await.map_err(|error| hub.fault(error))?;
    let test: ChannelTest = super::remote::parse(&text)?;
    if is_json {
        terminal::line(&text)?;
    } else {
        let status = test.status.map(|status| format!(" ({status})")).unwrap_or_default();
        let what = if test.sent { "The message was taken" } else { "The message was not taken" };
        terminal::line(&format!("{what}{status} after {} ms: {}", test.took_ms, test.answer))?;
    }
    Ok(if test.sent { Exit::Done } else { Exit::Failed })
}

async fn show(hub: &Hub, id: ChannelId, is_json: bool) -> Outcome {
    let text = hub.client.channel(id).text().await.map_err(|error| hub.fault(error))?;
    if is_json {
        terminal::line(&text)?;
        return Ok(Exit::Done);
    }
    let channel: Channel = super::remote::parse(&text)?;
    let some = |value: Value| Some(pretty(&value)).filter(|text| text != "{}");
    facts([
        ("name", Some(channel.name)),
        ("id", Some(channel.id.to_string())),
        ("kind", Some(channel.kind.to_string())),
        ("state", Some(state(channel.enabled, channel.disabled_reason.as_deref()))),
        ("settings", some(channel.settings)),
        ("secrets", Some(channel.secrets.join(", ")).filter(|names| !names.is_empty())),
        ("old secret", channel.old_secret_until.map(|at| format!("until {}", moment(at)))),
        ("language", Some(channel.language.to_string())),
        ("routing", some(json!(channel.routing))),
        ("quiet hours", channel.quiet_hours.map(|quiet| pretty(&json!(quiet)))),
        ("grouping", Some(format!("{} s", channel.group_wait_s))),
        ("templates", some(json!(channel.templates))),
        ("changed", Some(format!("{} by {}", moment(channel.updated_at), channel.updated_by))),
    ])?;
    Ok(Exit::Done)
}

fn state(is_enabled: bool, reason: Option<&str>) -> String {
    match (is_enabled, reason) {
        (true, _) => "on".to_owned(),
        (false, None) => "off".to_owned(),
        (false, Some(reason)) => format!("off: {reason}"),
    }
}

const COLUMNS: [(&str, Width); 5] =
    [("id", Width::Whole), ("name", Width::Cut), ("kind", Width::Whole), ("severity", Width::Whole), ("state", Width::Cut)];

fn row(channel: &Channel) -> Vec<String> {
    let state = state(channel.enabled, channel.disabled_reason.as_deref());
    vec![channel.id.to_string(), channel.name.clone(), channel.kind.to_string(), channel.routing.min_severity.to_string(), state]
}
