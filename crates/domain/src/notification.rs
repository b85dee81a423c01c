//! What people are told, and over which channel. A [`Message`] is the same for all channels; a sender makes the vendor's payload of it.

pub mod channel;
pub mod plan;
mod quiet;
pub mod retry;
pub mod route;
pub mod words;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    alert::{AlertSource, AlertStatus, AlertType, Facts, Resolution, Severity},
    ids::{AlertId, AutomationId, NotificationId},
    schedule::words::Language,
    wire::wire_names,
};

wire_names! {
    /// A kind of channel.
    pub enum ChannelKind as "ChannelKind" {
        /// E-mail by SMTP.
        Email = "email",
        /// An incoming webhook of Slack.
        Slack = "slack",
        /// A workflow of Microsoft Teams.
        Teams = "teams",
        /// A request in the form of CloudEvents, signed as Standard Webhooks says.
        Webhook = "webhook",
        /// PagerDuty's Events API v2.
        PagerDuty = "pagerduty",
        /// Issues of Jira.
        Jira = "jira",
        /// A bot of Telegram.
        Telegram = "telegram",
    }
}

impl ChannelKind {
    /// Names of the secrets that a channel of this kind must have, first the one without which it is of no use.
    #[must_use]
    pub const fn required_secrets(self) -> &'static [&'static str] {
        match self {
            Self::Email => &[],
            Self::Slack | Self::Teams => &["url"],
            Self::Webhook => &["signing_secret"],
            Self::PagerDuty => &["routing_key"],
            Self::Jira => &["api_token"],
            Self::Telegram => &["bot_token"],
        }
    }

    /// Names of every secret that a channel of this kind may have.
    #[must_use]
    pub const fn secrets(self) -> &'static [&'static str] {
        match self {
            Self::Email => &["password"],
            _ => self.required_secrets(),
        }
    }

    /// Whether it keeps an incident of its own for each alert, so that each is told by itself and alerts are not grouped.
    #[must_use]
    pub const fn is_single(self) -> bool {
        matches!(self, Self::PagerDuty | Self::Jira)
    }

    /// Whether people read it, whom the end of an alert does not concern that another one continues; a system must hear of it.
    #[must_use]
    pub const fn is_read_by_people(self) -> bool {
        matches!(self, Self::Email | Self::Slack | Self::Teams | Self::Telegram)
    }
}

wire_names! {
    /// What a message tells.
    pub enum NoticeKind as "NoticeKind" {
        /// An alert opened.
        Opened = "opened",
        /// It is still open.
        Reminded = "reminded",
        /// It became worse.
        Escalated = "escalated",
        /// Somebody took it.
        Acknowledged = "acknowledged",
        /// It is over.
        Resolved = "resolved",
        /// What was held back: during quiet hours, or while the hub was away.
        Digest = "digest",
        /// How a domain is doing.
        Report = "report",
        /// A trial of the channel.
        Test = "test",
    }
}

wire_names! {
    /// What became of a message.
    pub enum NotificationState as "NotificationState" {
        /// It is sent, or sent again, when it is due.
        Waiting = "waiting",
        /// It is being sent.
        Sending = "sending",
        /// The receiver took it.
        Sent = "sent",
        /// It was given up.
        Failed = "failed",
        /// There was nothing to send any more, or nowhere to send it.
        Dropped = "dropped",
    }
}

/// A message to one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its notification: the same at each attempt, so that receivers recognise a repetition.
    pub id: NotificationId,
    /// What it tells.
    pub kind: NoticeKind,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// Language of its texts.
    pub language: Language,
    /// Severity of its worst alert.
    pub severity: Severity,
    /// One line, without markup.
    pub title: String,
    /// Plain text below it, in Markdown's paragraphs and lists: the figures of one alert, how many there are of each type of several. Links, the note
    /// of a rule and the titles of several alerts are the sender's.
    pub text: String,
    /// HTML of the same, of a whole e-mail; `None`: made of `text`.
    pub html: Option<String>,
    /// The alerts, the worst first. One for [`ChannelKind::is_single`], none of a test and a report.
    pub alerts: Vec<Brief>,
    /// How many more there are than are listed.
    pub more: usize,
    /// The page that shows all of it.
    pub url: Option<String>,
    /// What the channel answered to an earlier message of the same alert: the key.
    pub reference: Option<String>,
}

/// What a message says of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// The alert.
    pub id: AlertId,
    /// Its incident: the same for every alert of the rule and subject.
    pub key: String,
    /// What is wrong.
    pub alert_type: AlertType,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is in its life.
    pub status: AlertStatus,
    /// Who found it.
    pub source: AlertSource,
    /// One line in the channel's language.
    pub title: String,
    /// What it is about, for people: the automation's, queue's or worker's name.
    pub subject: String,
    /// Its automation.
    pub automation_id: Option<AutomationId>,
    /// The domain of the automation.
    pub domain: Option<String>,
    /// Labels of the automation.
    pub labels: Vec<String>,
    /// Name of the rule.
    #[serde(default)]
    pub rule: Option<String>,
    /// When it opened.
    pub opened_at: DateTime<Utc>,
    /// When it was resolved.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Why it is over.
    #[serde(default)]
    pub resolution: Option<Resolution>,
    /// Who resolved or acknowledged it.
    #[serde(default)]
    pub by: Option<String>,
    /// How often it was seen.
    pub count: i64,
    /// What was seen.
    pub facts: Facts,
    /// What to do, in Markdown.
    pub note: String,
    /// Its page.
    pub url: Option<String>,
    /// Pages of its jobs, in the order of the facts.
    pub job_urls: Vec<String>,
}

/// A message that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Status of an HTTP answer, code of an SMTP answer.
    pub status: Option<u16>,
    /// Beginning of the answer.
    pub answer: String,
    /// What the vendor calls it, for later messages of the same alert.
    pub reference: Option<String>,
}

/// A message that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SendError {
    /// What is to be done about it.
    pub fate: Fate,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
    /// What went wrong, for people, with the beginning of the answer and without secrets.
    pub message: String,
}

/// What becomes of a message that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is sent again, not before this time if the receiver named one.
    Retry(Option<Duration>),
    /// It will never be taken.
    Drop,
    /// The receiver wants no message any more: the channel is switched off.
    Disable,
}
