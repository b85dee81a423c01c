//! Settings, routing and quiet hours of a channel.

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema, schema::AnyOfBuilder},
};

use super::{AlertSource, AlertType, Email, Severity, ShortText, SmtpSecurity, TimeOfDay, Weekday};

/// Settings of a channel, by its kind.
pub(crate) struct ChannelSettings;

impl PartialSchema for ChannelSettings {
    fn schema() -> RefOr<Schema> {
        let description = "Settings of the channel's kind. `slack` and `teams` have none: their address is the secret `url`.";
        AnyOfBuilder::new()
            .item(EmailSettings::schema())
            .item(WebhookSettings::schema())
            .item(PagerDutySettings::schema())
            .item(JiraSettings::schema())
            .item(TelegramSettings::schema())
            .item(NoSettings::schema())
            .description(Some(description))
            .into()
    }
}

impl ToSchema for ChannelSettings {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        EmailSettings::schemas(schemas);
    }
}

/// Settings of `email`. Secret: `password`.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EmailSettings {
    /// Name or address of the SMTP server.
    #[schema(min_length = 1, max_length = 253)]
    host: String,
    /// Its port; absent: 587, of `tls` 465, of `none` 25.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 65535)]
    port: Option<u16>,
    /// How the connection is encrypted; absent: `starttls`.
    #[serde(default)]
    #[schema(value_type = SmtpSecurity, required = false)]
    security: domain::notification::channel::SmtpSecurity,
    /// User name; absent: the server asks for none.
    #[serde(default)]
    #[schema(value_type = Option<ShortText>)]
    username: Option<String>,
    /// Address of the sender.
    #[schema(value_type = Email)]
    from: String,
    /// Name of the sender.
    #[serde(default)]
    #[schema(value_type = Option<ShortText>)]
    from_name: Option<String>,
    /// Addresses of the recipients.
    #[schema(value_type = Vec<Email>, min_items = 1, max_items = 50)]
    to: Vec<String>,
}

/// Settings of `webhook`. Secret: `signing_secret`.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WebhookSettings {
    /// Where requests are sent.
    #[schema(max_length = 2048)]
    url: String,
}

/// Settings of `pagerduty`. Secret: `routing_key`.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PagerDutySettings {
    /// Where events are sent; absent: `https://events.pagerduty.com/v2/enqueue`.
    #[serde(default)]
    #[schema(max_length = 2048, required = false)]
    url: String,
}

/// Settings of `jira`. Secret: `api_token`.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct JiraSettings {
    /// Address of the site, such as `https://example.atlassian.net`.
    #[schema(max_length = 2048)]
    url: String,
    /// E-mail address of the account that the token is of.
    #[schema(value_type = Email)]
    email: String,
    /// Key of the project.
    #[schema(max_length = 50, pattern = "^[A-Z][A-Z0-9_]*$")]
    project: String,
    /// Name of the type of issue; absent: `Task`.
    #[serde(default)]
    #[schema(value_type = ShortText, required = false)]
    issue_type: String,
    /// Name of the transition that closes an issue; absent: the first that leads to a status of the category done.
    #[serde(default)]
    #[schema(value_type = Option<ShortText>)]
    close_transition: Option<String>,
}

/// Settings of `telegram`. Secret: `bot_token`.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TelegramSettings {
    /// Id of the chat, or `@` and the name of a public channel.
    #[schema(pattern = "^(-?[0-9]{1,18}|@[A-Za-z0-9_]{4,64})$")]
    chat_id: String,
    /// Id of the topic of a group that has topics.
    #[serde(default)]
    message_thread_id: Option<i64>,
    /// Where the Bot API is; absent: `https://api.telegram.org`.
    #[serde(default)]
    #[schema(max_length = 2048, required = false)]
    url: String,
}

/// Settings of `slack` and `teams`.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NoSettings {}

/// Which alerts a channel is for, of those whose rule names no channel. An empty list selects all.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ChannelRouting {
    /// Those at least as bad; absent: `info`.
    #[schema(value_type = Severity)]
    min_severity: domain::alert::Severity,
    /// Those of one of these types.
    #[schema(value_type = Vec<AlertType>, max_items = 100)]
    types: Vec<domain::alert::AlertType>,
    /// Those of automations of one of these domains, by their ids.
    #[schema(max_items = 100)]
    domains: Vec<uuid::Uuid>,
    /// Those of automations with one of these labels.
    #[schema(max_items = 100)]
    labels: Vec<String>,
    /// Those that one of these found.
    #[schema(value_type = Vec<AlertSource>, max_items = 100)]
    sources: Vec<domain::alert::AlertSource>,
}

impl Default for ChannelRouting {
    fn default() -> Self {
        Self {
            min_severity: domain::alert::Severity::Info,
            types: Vec::new(),
            domains: Vec::new(),
            labels: Vec::new(),
            sources: Vec::new(),
        }
    }
}

/// Hours in which a channel is not to be disturbed. What happens in them is told in one message after them.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuietHours {
    /// IANA time zone of the hours.
    #[schema(max_length = 100)]
    timezone: String,
    /// Their first second.
    #[schema(value_type = TimeOfDay)]
    from: String,
    /// The second after their last; not later than `from`: on the next day.
    #[schema(value_type = TimeOfDay)]
    until: String,
    /// Days on which they begin; absent or empty: every day.
    #[serde(default)]
    #[schema(value_type = Vec<Weekday>, max_items = 7, required = false)]
    days: Vec<domain::notification::channel::Weekday>,
    /// Alerts at least as bad are told at once; absent: none are.
    #[serde(default)]
    #[schema(value_type = Option<Severity>)]
    break_through: Option<domain::alert::Severity>,
}
