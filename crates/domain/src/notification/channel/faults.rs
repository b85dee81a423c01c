//! What is wrong with a channel, before it is saved. Addresses are judged by who connects to them.

use std::collections::BTreeSet;

use super::{Draft, Email, Jira, MAX_GROUP_WAIT_S, QuietHours, Routing, Settings, Telegram};
use crate::{
    Fault,
    schedule::{Zones, input},
    text::has_hidden,
    user::{EMAIL_RULE, is_email},
};

/// Most recipients of one channel.
const MAX_RECIPIENTS: usize = 50;
/// Most entries of a list of the routing.
const MAX_LIST: usize = 100;
/// Longest short text, in characters.
const MAX_TEXT: usize = 200;
/// Longest address, in bytes.
const MAX_URL: usize = 2048;
/// Most templates.
const MAX_TEMPLATES: usize = 50;
/// Longest template, in bytes.
const MAX_TEMPLATE: usize = 16 * 1024;

impl Draft {
    /// Every fault.
    #[must_use]
    pub fn faults(&self, zones: &Zones) -> Vec<Fault> {
        let mut faults: Vec<Fault> = input::name_fault(&self.name).into_iter().collect();
        faults.extend(self.settings.faults().into_iter().map(|fault| fault.under("settings")));
        faults.extend(self.routing.faults().into_iter().map(|fault| fault.under("routing")));
        if let Some(quiet) = &self.quiet_hours {
            faults.extend(quiet.faults(zones).into_iter().map(|fault| fault.under("quiet_hours")));
        }
        if self.group_wait_s > MAX_GROUP_WAIT_S {
            faults.push(Fault::new("group_wait_s", format!("must be at most {MAX_GROUP_WAIT_S} seconds")));
        }
        if self.templates.len() > MAX_TEMPLATES {
            faults.push(Fault::new("templates", format!("must have at most {MAX_TEMPLATES} templates")));
        }
        for (name, text) in &self.templates {
            if text.len() > MAX_TEMPLATE || text.contains('\0') {
                faults.push(Fault::new(format!("templates/{name}"), format!("must have at most {MAX_TEMPLATE} bytes and no NUL")));
            }
        }
        faults
    }
}

impl Settings {
    fn faults(&self) -> Vec<Fault> {
        let url = |url: &str| (url.len() > MAX_URL).then(|| Fault::new("url", format!("must have at most {MAX_URL} bytes")));
        match self {
            Self::Slack(_) | Self::Teams(_) => Vec::new(),
            Self::Email(email) => email.faults(),
            Self::Webhook(webhook) => url(&webhook.url).into_iter().collect(),
            Self::PagerDuty(pager) => url(&pager.url).into_iter().collect(),
            Self::Jira(jira) => url(&jira.url).into_iter().chain(jira.faults()).collect(),
            Self::Telegram(telegram) => url(&telegram.url).into_iter().chain(telegram.faults()).collect(),
        }
    }
}

impl Email {
    fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = short("host", &self.host, 253).into_iter().collect();
        if self.port == Some(0) {
            faults.push(Fault::new("port", "must be 1 to 65535"));
        }
        faults.extend(self.username.as_deref().and_then(|name| short("username", name, MAX_TEXT)));
        faults.extend(self.from_name.as_deref().and_then(|name| short("from_name", name, MAX_TEXT)));
        if !is_email(&self.from) {
            faults.push(Fault::new("from", EMAIL_RULE));
        }
        if self.to.is_empty() || self.to.len() > MAX_RECIPIENTS {
            faults.push(Fault::new("to", format!("must have 1 to {MAX_RECIPIENTS} addresses")));
        }
        let mut seen = BTreeSet::new();
        for (nth, to) in self.to.iter().enumerate() {
            if !is_email(to) {
                faults.push(Fault::new(format!("to/{nth}"), EMAIL_RULE));
            } else if !seen.insert(to.to_lowercase()) {
                faults.push(Fault::new(format!("to/{nth}"), "is there twice"));
            }
        }
        faults
    }
}

impl Jira {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !is_email(&self.email) {
            faults.push(Fault::new("email", EMAIL_RULE));
        }
        let is_key = self.project.starts_with(|first: char| first.is_ascii_uppercase())
            && self.project.len() <= 50
            && self.project.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if !is_key {
            faults.push(Fault::new("project", "must be the key of a project: capital letters, digits and _, such as OPS"));
        }
        faults.extend(short("issue_type", &self.issue_type, MAX_TEXT));
        faults.extend(self.close_transition.as_deref().and_then(|name| short("close_transition", name, MAX_TEXT)));
        faults
    }
}

impl Telegram {
    fn faults(&self) -> Vec<Fault> {
        let is_number = self.chat_id.parse::<i64>().is_ok();
        let is_name = self
            .chat_id
            .strip_prefix('@')
            .is_some_and(|name| (4..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        let fault = || Fault::new("chat_id", "must be the id of a chat, such as -1001234567890, or @ and the name of a public channel");
        (!is_number && !is_name).then(fault).into_iter().collect()
    }
}

impl Routing {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let lists =
            [("types", self.types.len()), ("domains", self.domains.len()), ("labels", self.labels.len()), ("sources", self.sources.len())];
        for (field, _) in lists.iter().filter(|(_, length)| *length > MAX_LIST) {
            faults.push(Fault::new(*field, format!("must have at most {MAX_LIST} entries")));
        }
        for (nth, label) in self.labels.iter().enumerate() {
            faults.extend(short(&format!("labels/{nth}"), label, 100));
        }
        faults
    }
}

impl QuietHours {
    fn faults(&self, zones: &Zones) -> Vec<Fault> {
        let mut faults: Vec<Fault> = input::zone(&self.timezone, zones).err().into_iter().collect();
        if self.from == self.until {
            faults.push(Fault::new("until", "must differ from the beginning: a channel that is never to be disturbed is switched off"));
        }
        faults
    }
}

fn short(field: &str, text: &str, most: usize) -> Option<Fault> {
    let is_fine = !text.trim().is_empty() && text.chars().count() <= most && !has_hidden(text);
    (!is_fine).then(|| Fault::new(field, format!("must have 1 to {most} characters, none of them a control or invisible one")))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveTime;
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::{notification::ChannelKind, schedule::words::Language};

    fn draft(kind: &str, settings: Value) -> Draft {
        Draft {
            name: "Ops".to_owned(),
            settings: from_value(json!({"kind": kind, "settings": settings})).unwrap(),
            language: Language::En,
            routing: Routing::default(),
            quiet_hours: None,
            group_wait_s: 10,
            templates: std::collections::BTreeMap::new(),
        }
    }

    fn email() -> Value {
        json!({"host": "smtp.example.com", "from": "hub@example.com", "to": ["ops@example.com"]})
    }

    fn fields(draft: &Draft) -> Vec<String> {
        draft.faults(&Zones::bundled()).into_iter().map(|fault| fault.field).collect()
    }

    fn with(mut settings: Value, field: &str, value: Value) -> Value {
        settings[field] = value;
        settings
    }

    #[test]
    fn each_kind_has_its_settings_under_its_name() {
        let jira = json!({"url": "https://x.atlassian.net", "email": "bot@example.com", "project": "OPS"});
        for (kind, settings) in [
            (ChannelKind::Email, email()),
            (ChannelKind::Slack, json!({})),
            (ChannelKind::Teams, json!({})),
            (ChannelKind::Webhook, json!({"url": "https://example.com/x"})),
            (ChannelKind::PagerDuty, json!({})),
            (ChannelKind::Jira, jira),
            (ChannelKind::Telegram, json!({"chat_id": "-1001234567890"})),
        ] {
            let draft = draft(kind.as_str(), settings);
            assert_eq!((draft.settings.kind(), fields(&draft)), (kind, Vec::<String>::new()));
            assert_eq!(serde_json::to_value(&draft.settings).unwrap()["kind"], kind.as_str());
            assert!(kind.required_secrets().iter().all(|name| kind.secrets().contains(name)));
        }
    }

    #[test]
    fn each_fault_names_its_field() {
        for (field, value, fault) in [
            ("host", json!(""), "settings/host"),
            ("host", json!("smtp.example.com\r\nQUIT"), "settings/host"),
            ("port", json!(0), "settings/port"),
            ("username", json!("a\nb"), "settings/username"),
            ("from", json!("hub@example.com\r\nBcc: x@evil.test"), "settings/from"),
            ("from_name", json!("Hub\r\nBcc: x@evil.test"), "settings/from_name"),
            ("to", json!([]), "settings/to"),
            ("to", json!(["ops@example.com", "nobody"]), "settings/to/1"),
            ("to", json!(["ops@example.com", "OPS@example.com"]), "settings/to/1"),
        ] {
            assert_eq!(fields(&draft("email", with(email(), field, value.clone()))), [fault], "{value}");
        }
        for (chat, is_fine) in [("12", true), ("@regente_ops", true), ("regente", false), ("@a", false), ("@a/../b", false), ("", false)] {
            assert_eq!(fields(&draft("telegram", json!({"chat_id": chat}))).is_empty(), is_fine, "{chat}");
        }
        let jira = json!({"url": "https://x.atlassian.net", "email": "bot@example.com", "project": "OPS\" OR project = X"});
        assert_eq!(fields(&draft("jira", jira)), ["settings/project"]);
        let at = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        let quiet = |timezone: &str, until| QuietHours {
            timezone: timezone.to_owned(),
            from: at(22),
            until,
            days: Vec::new(),
            break_through: None,
        };
        let with_quiet = |quiet| Draft { quiet_hours: Some(quiet), ..draft("email", email()) };
        assert_eq!(fields(&with_quiet(quiet("America/Sao_Paulo", at(7)))), Vec::<String>::new());
        assert_eq!(fields(&with_quiet(quiet("America/Nowhere", at(22)))), ["quiet_hours/timezone", "quiet_hours/until"]);
        assert_eq!(fields(&Draft { group_wait_s: MAX_GROUP_WAIT_S + 1, ..draft("email", email()) }), ["group_wait_s"]);
    }
}
