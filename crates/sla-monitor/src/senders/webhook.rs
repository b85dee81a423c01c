//! A webhook of one's own: a CloudEvent in structured mode, signed as Standard Webhooks says.

use auth::sign_standard_webhook;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::{
    ids::ChannelId,
    notification::{Message, NoticeKind, Receipt, SendError, channel::Webhook},
};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    Senders, answer,
    opened::{OLD_SIGNING_SECRET, Opened},
};

/// The hub, as the source of its events; the ids of two hubs do not meet.
const SOURCE: &str = "/regente";

impl Senders {
    pub(super) async fn webhook(
        &self,
        (id, settings, old_until): (ChannelId, &Webhook, Option<DateTime<Utc>>),
        secrets: &Opened,
        message: &Message,
    ) -> Result<Receipt, SendError> {
        let now = self.now();
        let keys = signing(secrets, old_until, now);
        let body = serde_json::to_vec(&event(id, message)).map_err(|error| answer::unsendable(error.to_string()))?;
        let message_id = message.id.to_string();
        let signature = sign_standard_webhook(&keys, &message_id, now, &body)
            .ok_or_else(|| answer::unsendable("the channel has no signing secret of the form whsec_ and base64"))?;
        let headers = [
            ("content-type", "application/cloudevents+json".to_owned()),
            ("webhook-id", message_id),
            ("webhook-timestamp", now.timestamp().to_string()),
            ("webhook-signature", signature),
        ];
        let found = self.post(&settings.url, &headers, body).await?;
        answer::judge(&found, secrets, now)
    }
}

/// The secrets that sign now: the one, and the one before it while that counts.
fn signing(secrets: &Opened, old_until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Vec<SecretString> {
    let old = secrets.get(OLD_SIGNING_SECRET).filter(|_| old_until.is_some_and(|until| now < until));
    secrets.get("signing_secret").into_iter().chain(old).map(SecretString::from).collect()
}

pub(super) fn event(channel: ChannelId, message: &Message) -> Value {
    let kind = match message.kind {
        NoticeKind::Digest | NoticeKind::Report | NoticeKind::Test => format!("regente.{}", message.kind),
        kind => format!("regente.alert.{kind}"),
    };
    let mut event = json!({
        "specversion": "1.0",
        "id": message.id,
        "source": SOURCE,
        "type": kind,
        "time": message.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "datacontenttype": "application/json",
        "data": {
            "channel_id": channel, "kind": message.kind, "severity": message.severity, "language": message.language, "title": message.title,
            "text": message.text, "alerts": message.alerts, "more": message.more, "url": message.url
        }
    });
    // Optional attributes are absent, not null.
    if let ([alert], Some(event)) = (message.alerts.as_slice(), event.as_object_mut()) {
        event.insert("subject".to_owned(), json!(alert.key));
    }
    event
}

#[cfg(test)]
mod tests {
    use domain::notification::channel::Settings;

    use super::*;
    use crate::senders::testing::{alert, at, message};

    #[test]
    fn an_event_has_the_attributes_of_cloudevents() {
        let one = event(ChannelId::default(), &message(NoticeKind::Opened, vec![alert("Faturamento")]));
        for (attribute, expected) in [
            ("specversion", json!("1.0")),
            ("source", json!("/regente")),
            ("type", json!("regente.alert.opened")),
            ("time", json!("2026-11-27T14:00:00.000Z")),
        ] {
            assert_eq!(one[attribute], expected, "{attribute}");
        }
        let names: Vec<_> = one.as_object().unwrap().keys().cloned().collect();
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())), "{names:?}");
        assert_eq!(
            (one["subject"].as_str(), one["data"]["alerts"][0]["subject"].as_str()),
            (Some("r/LATE/automation:1"), Some("Faturamento"))
        );
        let several = event(ChannelId::default(), &message(NoticeKind::Digest, vec![alert("a"), alert("b")]));
        assert_eq!((several["type"].as_str(), several.get("subject")), (Some("regente.digest"), None));
        assert_eq!(event(ChannelId::default(), &message(NoticeKind::Test, vec![]))["type"], "regente.test");
        assert!(matches!(serde_json::from_value(json!({"kind": "webhook", "settings": {"url": "x"}})).unwrap(), Settings::Webhook(_)));
    }

    #[test]
    fn the_old_secret_signs_while_it_counts() {
        let mut secrets = Opened::default();
        secrets.set("signing_secret", SecretString::from("whsec_new"));
        secrets.set(OLD_SIGNING_SECRET, SecretString::from("whsec_old"));
        let count = |until| signing(&secrets, until, at()).len();
        assert_eq!((count(None), count(Some(at())), count(Some(at() + chrono::TimeDelta::seconds(1)))), (1, 1, 2));
    }
}
