//! What is wrong with a channel's settings and secrets where the domain cannot know: addresses, and the forms of secrets.

use std::collections::BTreeMap;

use auth::hook_secret_fault;
use domain::{
    Fault,
    hook::Scheme,
    notification::{
        ChannelKind,
        channel::{Draft, Settings, SmtpSecurity},
    },
};
use runtime::{Failure, outbound::Outbound};
use serde_json::{Map, Value, json};

use crate::senders::Opened;

/// Longest secret, in bytes.
const MAX_SECRET: usize = 2048;

/// Reads the settings of a kind.
pub(super) fn settings(kind: ChannelKind, given: Map<String, Value>) -> Result<Settings, Failure> {
    let read = match kind {
        // So that a fault has its path: a tagged value is read twice.
        ChannelKind::Email => of(given).map(Settings::Email),
        ChannelKind::Slack => of(given).map(Settings::Slack),
        ChannelKind::Teams => of(given).map(Settings::Teams),
        ChannelKind::Webhook => of(given).map(Settings::Webhook),
        ChannelKind::PagerDuty => of(given).map(Settings::PagerDuty),
        ChannelKind::Jira => of(given).map(Settings::Jira),
        ChannelKind::Telegram => of(given).map(Settings::Telegram),
    };
    read.map_err(|fault| Failure::Invalid(vec![fault.under("settings")]))
}

fn of<T: serde::de::DeserializeOwned>(given: Map<String, Value>) -> Result<T, Fault> {
    serde_path_to_error::deserialize(json!(given)).map_err(|error| {
        let path = error.path().to_string().replace(['.', '['], "/").replace(']', "");
        let path = path.trim_start_matches('/');
        let message = error.inner().to_string();
        // Such a field has no path of its own.
        match message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            Some(field) if path.is_empty() => Fault::new(field, "is required"),
            Some(field) => Fault::new(field, "is required").under(path),
            None => Fault::new(path, message),
        }
    })
}

/// Every fault of where a channel leads, as far as it can be known without a look-up.
pub(super) fn addresses(draft: &Draft, secrets: &Opened, outbound: &Outbound) -> Vec<Fault> {
    let check = |field: &str, url: &str| outbound.check_url(url).err().map(|fault| Fault::new(field, fault.to_string()));
    let fault = match &draft.settings {
        Settings::Slack(_) | Settings::Teams(_) => secrets.get("url").and_then(|url| check("secrets/url", url)),
        Settings::Email(email) => {
            let checked = outbound.check_host(&email.host, email.security == SmtpSecurity::None);
            checked.err().map(|fault| Fault::new("settings/host", fault.to_string()))
        }
        Settings::Webhook(webhook) => check("settings/url", &webhook.url),
        Settings::PagerDuty(pager) => check("settings/url", &pager.url),
        Settings::Jira(jira) => check("settings/url", &jira.url),
        Settings::Telegram(telegram) => check("settings/url", &telegram.url),
    };
    fault.into_iter().collect()
}

/// Every fault of the secrets of a channel.
pub(super) fn secrets(draft: &Draft, secrets: &Opened) -> Vec<Fault> {
    let kind = draft.settings.kind();
    let mut faults = Vec::new();
    for name in secrets.names() {
        let field = format!("secrets/{name}");
        if !kind.secrets().contains(&name.as_str()) {
            faults.push(Fault::new(field, format!("is no secret of {kind}, which has {}", kind.secrets().join(", "))));
        } else if let Some(why) = secrets.get(&name).and_then(|secret| form(&name, secret)) {
            faults.push(Fault::new(field, why));
        }
    }
    let absent = kind.required_secrets().iter().filter(|name| secrets.get(name).is_none());
    faults.extend(absent.map(|name| Fault::new(format!("secrets/{name}"), "is required")));
    let has_user = matches!(&draft.settings, Settings::Email(email) if email.username.is_some());
    if has_user && secrets.get("password").is_none() {
        faults.push(Fault::new("secrets/password", "is required for a user name"));
    }
    faults
}

/// What is wrong with a secret, as the end of a sentence. It never has the secret.
fn form(name: &str, secret: &str) -> Option<&'static str> {
    let is_short = !secret.is_empty() && secret.len() <= MAX_SECRET;
    let is_graphic = is_short && secret.bytes().all(|byte| byte.is_ascii_graphic());
    match name {
        "signing_secret" => hook_secret_fault(Scheme::StandardWebhooks, &secret.into()),
        "url" => (!is_graphic).then_some("must be an address of at most 2048 visible ASCII characters"),
        "bot_token" => {
            let is_token = secret.split_once(':').is_some_and(|(id, key)| {
                let is_key = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
                !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) && (20..=100).contains(&key.len()) && is_key
            });
            (!is_token).then_some("must be a token of a bot: digits, a colon, and at least 20 letters, digits, _ or -")
        }
        "password" => (!is_short || secret.contains(['\0', '\r', '\n'])).then_some("must have 1 to 2048 bytes on one line"),
        _ => (!is_graphic).then_some("must have 1 to 2048 visible ASCII characters"),
    }
}

/// Where a channel's secrets are sent to, but for those that are addresses themselves.
pub(super) fn destination(draft: &Draft, outbound: &Outbound) -> BTreeMap<&'static str, String> {
    let origin = |url: &str| {
        let read = outbound.check_url(url).map(|url| url.origin().ascii_serialization());
        BTreeMap::from([("origin", read.unwrap_or_else(|_| url.to_owned()))])
    };
    match &draft.settings {
        Settings::Slack(_) | Settings::Teams(_) => BTreeMap::new(),
        Settings::Email(email) => BTreeMap::from([
            ("host", email.host.to_ascii_lowercase()),
            ("port", email.port.unwrap_or(email.security.port()).to_string()),
            ("security", email.security.to_string()),
        ]),
        Settings::Webhook(webhook) => origin(&webhook.url),
        Settings::PagerDuty(pager) => origin(&pager.url),
        Settings::Jira(jira) => origin(&jira.url),
        Settings::Telegram(telegram) => origin(&telegram.url),
    }
}
