//! Notifications: what was sent to channels, and what became of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    alert::AlertType,
    ids::{AlertId, ChannelId, NotificationId},
    notification::{NoticeKind, NotificationState},
    schedule::words::Language,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{examples, schema};

/// A message to a channel, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::notification)]
pub struct Notification {
    /// Id: the same at each attempt, so that receivers recognise a repetition.
    #[schema(value_type = Uuid)]
    pub id: NotificationId,
    /// The channel, which may have been deleted since.
    #[schema(value_type = Uuid)]
    pub channel_id: ChannelId,
    /// What it tells.
    #[schema(value_type = schema::NoticeKind)]
    pub kind: NoticeKind,
    /// What became of it.
    #[schema(value_type = schema::NotificationState)]
    pub state: NotificationState,
    /// Why it was not sent, or not at the last attempt.
    pub reason: Option<String>,
    /// Its title; null: it was not tried yet, and is made when it is.
    pub title: Option<String>,
    /// The alerts that it tells of, 20 at most.
    #[schema(value_type = Vec<Uuid>)]
    pub alert_ids: Vec<AlertId>,
    /// How many things it tells.
    pub notices: u32,
    /// When it is sent, or sent again.
    pub due_at: DateTime<Utc>,
    /// How often it was tried.
    pub attempts: u32,
    /// Status of the last answer: of HTTP or SMTP.
    pub status: Option<u16>,
    /// Beginning of the last answer.
    pub answer: Option<String>,
    /// What the receiver calls it: the key of an issue.
    pub reference: Option<String>,
    /// When it was planned.
    pub created_at: DateTime<Utc>,
    /// When it was sent, given up or dropped.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A message to a channel with what was sent, and each attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::notification_detail)]
pub struct NotificationDetail {
    /// The message.
    #[serde(flatten)]
    pub notification: Notification,
    /// What is sent, from the first attempt on.
    pub message: Option<NotificationText>,
    /// Each attempt, oldest first: the last 100.
    pub tries: Vec<NotificationAttempt>,
}

/// Texts of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::notification_text)]
pub struct NotificationText {
    /// One line.
    pub title: String,
    /// Below it, in Markdown.
    pub text: String,
    /// The same as an e-mail in HTML.
    pub html: Option<String>,
}

/// An attempt to send a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotificationAttempt {
    /// When.
    pub at: DateTime<Utc>,
    /// Whether the receiver took it; null: it is under way, or the hub's process ended meanwhile.
    pub taken: Option<bool>,
    /// How long it took, in milliseconds.
    pub took_ms: Option<i64>,
    /// Status of the answer: of HTTP or SMTP.
    pub status: Option<u16>,
    /// Beginning of the answer, or what went wrong.
    pub answer: Option<String>,
}

/// Query of the list of notifications, newest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NotificationFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<NotificationId>,
    /// Those to this channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub channel: Option<ChannelId>,
    /// Those that tell of this alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub alert: Option<AlertId>,
    /// Those of which this became.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::NotificationState>)]
    pub state: Option<NotificationState>,
}

/// What to show of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::notification_preview)]
pub struct NotificationPreview {
    /// What it tells. Absent: `opened`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::NoticeKind>)]
    pub kind: Option<NoticeKind>,
    /// Type of its alert. Absent: `LATE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AlertType>)]
    pub alert_type: Option<AlertType>,
    /// How many alerts it tells of. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub alerts: Option<u32>,
    /// The channel whose language, time zone and templates are used. Absent: pt-BR, the hub's time zone and the built-in texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub channel_id: Option<ChannelId>,
    /// Its language, instead of the channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Language>)]
    pub language: Option<Language>,
    /// Templates to try, instead of the channel's: `opened.title`, `digest.text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates: Option<BTreeMap<String, String>>,
}
