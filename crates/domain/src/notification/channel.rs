//! Channels: where messages go, which of them, when, and in which language.
//!
//! What must hold: a secret is in none of these types. A channel has the names of its secrets and the place where they are sealed.

mod faults;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ChannelKind;
use crate::{
    alert::{AlertSource, AlertType, Severity},
    ids::{ChannelId, DomainId},
    schedule::words::Language,
    wire::wire_names,
};

/// Longest time for which a channel collects alerts into one message, in seconds.
pub const MAX_GROUP_WAIT_S: u32 = 3600;

/// Where people are told.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Id, UUID v7.
    pub id: ChannelId,
    /// What people set.
    pub draft: Draft,
    /// Whether messages go to it.
    pub enabled: bool,
    /// Why the hub switched it off; `None`: a person did, or it is on.
    pub disabled_reason: Option<String>,
    /// Its secrets.
    pub sealed: Sealed,
    /// Counts its changes.
    pub revision: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Who created it.
    pub created_by: String,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who changed it last.
    pub updated_by: String,
}

impl Channel {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ChannelKind {
        self.draft.settings.kind()
    }
}

/// What people set of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// What it is for.
    pub name: String,
    /// Its kind, and where it leads.
    pub settings: Settings,
    /// Language of its messages.
    pub language: Language,
    /// Which alerts it is for.
    pub routing: Routing,
    /// When it is not to be disturbed.
    pub quiet_hours: Option<QuietHours>,
    /// Seconds for which it collects alerts into one message; 0: each is sent at once.
    pub group_wait_s: u32,
    /// Templates of its own, by the name of what they replace.
    pub templates: BTreeMap<String, String>,
}

/// What is known of a channel's secrets without opening them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Where they are sealed; `None`: there is none.
    pub id: Option<Uuid>,
    /// Their names.
    pub names: Vec<String>,
    /// Until when the signing secret before this one signs too.
    pub old_until: Option<DateTime<Utc>>,
}

/// Where a channel leads, without secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "settings", rename_all = "lowercase")]
pub enum Settings {
    /// E-mail by SMTP.
    Email(Email),
    /// An incoming webhook of Slack; its address is the secret `url`.
    Slack(Nothing),
    /// A workflow of Microsoft Teams; its address is the secret `url`.
    Teams(Nothing),
    /// A webhook of one's own.
    Webhook(Webhook),
    /// PagerDuty.
    PagerDuty(PagerDuty),
    /// Jira.
    Jira(Jira),
    /// Telegram.
    Telegram(Telegram),
}

impl Settings {
    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ChannelKind {
        match self {
            Self::Email(_) => ChannelKind::Email,
            Self::Slack(_) => ChannelKind::Slack,
            Self::Teams(_) => ChannelKind::Teams,
            Self::Webhook(_) => ChannelKind::Webhook,
            Self::PagerDuty(_) => ChannelKind::PagerDuty,
            Self::Jira(_) => ChannelKind::Jira,
            Self::Telegram(_) => ChannelKind::Telegram,
        }
    }
}

/// No settings: all that there is to know is secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Settings of a channel of e-mail. Secret: `password`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// Name or address of the SMTP server.
    pub host: String,
    /// Its port; `None`: the one of the security.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default)]
    pub security: SmtpSecurity,
    /// User name; `None`: the server asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Address of the sender.
    pub from: String,
    /// Name of the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    /// Addresses of the recipients.
    pub to: Vec<String>,
}

wire_names! {
    /// How a connection to an SMTP server is encrypted.
    pub enum SmtpSecurity as "SmtpSecurity" {
        /// By STARTTLS, without which nothing is sent; port 587.
        Starttls = "starttls",
        /// From the first byte; port 465.
        Tls = "tls",
        /// Not at all: only for addresses that `sla.allow_private_addresses` has; port 25.
        None = "none",
    }
    default Starttls;
}

impl SmtpSecurity {
    /// The usual port.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// Settings of a generic webhook. Secret: `signing_secret`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where requests are sent.
    pub url: String,
}

/// Settings of a channel to PagerDuty. Secret: `routing_key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerDuty {
    /// Where events are sent.
    #[serde(default = "PagerDuty::url")]
    pub url: String,
}

impl PagerDuty {
    /// Address of the Events API v2.
    #[must_use]
    pub fn url() -> String {
        "https://events.pagerduty.com/v2/enqueue".to_owned()
    }
}

/// Settings of a channel to Jira. Secret: `api_token`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jira {
    /// Address of the site.
    pub url: String,
    /// E-mail address of the account that the token is of.
    pub email: String,
    /// Key of the project.
    pub project: String,
    /// Name of the type of issue.
    #[serde(default = "Jira::issue_type")]
    pub issue_type: String,
    /// Name of the transition that closes an issue; `None`: the first that leads to a status of the category "done".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_transition: Option<String>,
}

impl Jira {
    /// The type of issue that every project has.
    #[must_use]
    pub fn issue_type() -> String {
        "Task".to_owned()
    }
}

/// Settings of a channel to Telegram. Secret: `bot_token`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telegram {
    /// Id of the chat, or `@` and the name of a public channel.
    pub chat_id: String,
    /// Id of the topic of a group that has topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_thread_id: Option<i64>,
    /// Where the Bot API is.
    #[serde(default = "Telegram::url")]
    pub url: String,
}

impl Telegram {
    /// Address of the Bot API.
    #[must_use]
    pub fn url() -> String {
        "https://api.telegram.org".to_owned()
    }
}

/// Which alerts a channel is for, of those whose rule names no channel. An empty list selects all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Routing {
    /// Those at least as bad.
    pub min_severity: Severity,
    /// Those of one of these types.
    pub types: Vec<AlertType>,
    /// Those of automations of one of these domains.
    pub domains: Vec<DomainId>,
    /// Those of automations with one of these labels.
    pub labels: Vec<String>,
    /// Those that one of these found.
    pub sources: Vec<AlertSource>,
}

impl Default for Routing {
    fn default() -> Self {
        Self { min_severity: Severity::Info, types: Vec::new(), domains: Vec::new(), labels: Vec::new(), sources: Vec::new() }
    }
}

/// Hours in which a channel is not to be disturbed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// Time zone of the hours.
    pub timezone: String,
    /// Their first second.
    #[serde(with = "time_of_day")]
    pub from: NaiveTime,
    /// The second after their last; not later than `from`: on the next day.
    #[serde(with = "time_of_day")]
    pub until: NaiveTime,
    /// Days on which they begin; empty: every day.
    #[serde(default)]
    pub days: Vec<Weekday>,
    /// Alerts at least as bad are told at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_through: Option<Severity>,
}

wire_names! {
    /// A day of the week.
    pub enum Weekday as "Weekday" {
        /// Sunday.
        Sunday = "sunday",
        /// Monday.
        Monday = "monday",
        /// Tuesday.
        Tuesday = "tuesday",
        /// Wednesday.
        Wednesday = "wednesday",
        /// Thursday.
        Thursday = "thursday",
        /// Friday.
        Friday = "friday",
        /// Saturday.
        Saturday = "saturday",
    }
}

/// A time of day as `HH:MM` or `HH:MM:SS`.
mod time_of_day {
    use chrono::NaiveTime;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::schedule::input;

    pub(super) fn serialize<S: Serializer>(time: &NaiveTime, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&input::time_of_day_text(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<NaiveTime, D::Error> {
        let text = String::deserialize(input)?;
        input::time_of_day("", &text).map_err(|fault| D::Error::custom(fault.message))
    }
}
