use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    ids::ChannelId,
    notification::{
        ChannelKind,
        channel::{QuietHours, Routing},
    },
    schedule::words::Language,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{automation::present, examples, schema};

/// A channel over which people are told of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::channel)]
pub struct Channel {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: ChannelId,
    /// What it is for.
    pub name: String,
    /// Where messages go: `email`, `slack`, `teams`, `webhook`, `pagerduty`, `jira` or `telegram`.
    #[schema(value_type = schema::ChannelKind)]
    pub kind: ChannelKind,
    /// Settings of its kind, without secrets.
    #[schema(value_type = schema::ChannelSettings)]
    pub settings: Value,
    /// Names of the secrets that are set. Their values are never shown.
    pub secrets: Vec<String>,
    /// Until when the signing secret before the last rotation signs too; null: it does not.
    pub old_secret_until: Option<DateTime<Utc>>,
    /// Language of its messages.
    #[schema(value_type = schema::Language)]
    pub language: Language,
    /// Which alerts it is for, of those whose rule names no channel.
    #[schema(value_type = schema::ChannelRouting)]
    pub routing: Routing,
    /// When it is not to be disturbed; null: it always may be.
    #[schema(value_type = Option<schema::QuietHours>)]
    pub quiet_hours: Option<QuietHours>,
    /// Seconds for which it collects alerts into one message.
    pub group_wait_s: u32,
    /// Templates of its own, by the name of what they replace.
    pub templates: BTreeMap<String, String>,
    /// Whether messages go to it.
    pub enabled: bool,
    /// Why the hub switched it off; null: it is on, or a person did.
    pub disabled_reason: Option<String>,
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

/// A new channel.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::channel_create)]
pub struct ChannelCreate {
    /// What it is for.
    #[schema(value_type = schema::GivenName)]
    pub name: String,
    /// Where messages go.
    #[schema(value_type = schema::ChannelKind)]
    pub kind: ChannelKind,
    /// Settings of its kind, without secrets. Absent: those of a kind that needs none.
    #[serde(default)]
    #[schema(value_type = schema::ChannelSettings, required = false)]
    pub settings: Map<String, Value>,
    /// Secrets by name: `password` (email), `url` (slack, teams), `signing_secret` (webhook; absent: the hub makes one and shows it in the answer),
    /// `routing_key` (pagerduty), `api_token` (jira), `bot_token` (telegram). They are sealed and never shown.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Language of its messages; absent: `pt-BR`.
    #[serde(default)]
    #[schema(value_type = schema::Language, required = false)]
    pub language: Language,
    /// Which alerts it is for, of those whose rule names no channel; absent: all.
    #[serde(default)]
    #[schema(value_type = schema::ChannelRouting, required = false)]
    pub routing: Routing,
    /// When it is not to be disturbed; absent: it always may be.
    #[serde(default)]
    #[schema(value_type = Option<schema::QuietHours>)]
    pub quiet_hours: Option<QuietHours>,
    /// Seconds for which it collects alerts into one message; 0: only those that are told at
    /// the same instant. Absent: 1.
    #[serde(default = "group_wait")]
    #[schema(minimum = 0, maximum = 3600, required = false)]
    pub group_wait_s: u32,
    /// Templates of its own, by the name of what they replace: `opened.title`, `opened.text`, and so for `reminded`, `escalated`, `acknowledged`,
    /// `resolved` and `digest`. `POST /notifications/preview` shows what they make.
    #[serde(default)]
    #[schema(required = false)]
    pub templates: BTreeMap<String, String>,
    /// Whether messages go to it; absent: they do.
    #[serde(default = "on")]
    #[schema(required = false)]
    pub enabled: bool,
}

const fn group_wait() -> u32 {
    1
}

const fn on() -> bool {
    true
}

/// Changes of a channel. Absent fields keep their values.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::channel_update)]
pub struct ChannelUpdate {
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::GivenName>)]
    pub name: Option<String>,
    /// Settings of its kind, in the place of all. Where they lead to another server, every secret that is set is given again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ChannelSettings>)]
    pub settings: Option<Map<String, Value>>,
    /// Secrets that are replaced, by name; null removes one. Others stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<BTreeMap<String, Option<String>>>,
    /// Language of its messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Language>)]
    pub language: Option<Language>,
    /// Which alerts it is for, in the place of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ChannelRouting>)]
    pub routing: Option<Routing>,
    /// When it is not to be disturbed; null: it always may be.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::QuietHours>)]
    pub quiet_hours: Option<Option<QuietHours>>,
    /// Seconds for which it collects alerts into one message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 3600)]
    pub group_wait_s: Option<u32>,
    /// Templates of its own, in the place of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templates: Option<BTreeMap<String, String>>,
    /// Whether messages go to it. Switching it on forgets why the hub switched it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The revision that is changed; an outdated one is answered 409. Absent: whatever is current.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
}

/// How the signing secret of a webhook is replaced.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::channel_rotate)]
pub struct ChannelRotate {
    /// The new secret. Absent: the hub makes one, and shows it in the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100)]
    pub signing_secret: Option<String>,
    /// Seconds for which requests are signed with the old one too, 0 to 604800. Absent: a day. One that an earlier rotation left ends now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 604_800)]
    pub keep_old_s: Option<u32>,
}

/// A channel with the secret that the hub made for it. Shown only in this answer.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::channel_shown)]
pub struct ChannelShown {
    /// The new signing secret, to be set where the requests are verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<String>,
    /// The channel as it is listed.
    #[serde(flatten)]
    pub channel: Channel,
}

/// What became of a test message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::channel_test)]
pub struct ChannelTest {
    /// Whether the receiver took it.
    pub sent: bool,
    /// Status of the receiver's answer; null: there was none.
    pub status: Option<u16>,
    /// What the receiver said, or why the message was not taken, without secrets.
    pub answer: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Query of the list of channels, in order of creation.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChannelFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<ChannelId>,
    /// Channels of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::ChannelKind>)]
    pub kind: Option<ChannelKind>,
    /// Channels that are on, or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The channel with this name, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub name: Option<String>,
}
