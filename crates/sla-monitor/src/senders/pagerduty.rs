//! PagerDuty: the Events API v2. An alert's key is its incident's at PagerDuty, so that it opens, grows and resolves one.

use domain::{
    ids::ChannelId,
    notification::{Brief, Message, NoticeKind, Receipt, SendError, channel::PagerDuty},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Senders, answer,
    opened::Opened,
    required,
    text::{Words, clip, links, one_line},
};

/// Most characters of a key.
const MAX_KEY: usize = 255;
/// Most characters of a summary.
const MAX_SUMMARY: usize = 1024;
/// Most links.
const MAX_LINKS: usize = 10;

impl Senders {
    pub(super) async fn pagerduty(
        &self,
        channel: ChannelId,
        settings: &PagerDuty,
        secrets: &Opened,
        message: &Message,
    ) -> Result<Receipt, SendError> {
        let key = match message.alerts.as_slice() {
            [one] => dedup_key(&one.key),
            [] if message.kind == NoticeKind::Test => format!("regente-test-{channel}"),
            _ => return Err(answer::unsendable("PagerDuty takes one alert a message")),
        };
        let routing_key = required(secrets, "routing_key")?;
        let mut receipt = self.event(settings, secrets, &event(message, routing_key, &key)).await?;
        if message.kind == NoticeKind::Test {
            // So that nobody is called.
            let resolve = json!({"routing_key": routing_key, "event_action": "resolve", "dedup_key": key});
            receipt = self.event(settings, secrets, &resolve).await?;
        }
        receipt.reference = Some(key);
        Ok(receipt)
    }

    async fn event(&self, settings: &PagerDuty, secrets: &Opened, event: &Value) -> Result<Receipt, SendError> {
        let headers = [("content-type", "application/json".to_owned())];
        let found = self.post(&settings.url, &headers, event.to_string().into_bytes()).await?;
        answer::judge(&found, secrets, self.now())
    }
}

/// The key of an incident: its own, or a digest of it where that is too long.
pub(super) fn dedup_key(key: &str) -> String {
    if key.chars().count() <= MAX_KEY {
        return key.to_owned();
    }
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn event(message: &Message, routing_key: &str, key: &str) -> Value {
    let action = match message.kind {
        NoticeKind::Acknowledged => "acknowledge",
        NoticeKind::Resolved => "resolve",
        _ => "trigger",
    };
    if action != "trigger" {
        return json!({"routing_key": routing_key, "event_action": action, "dedup_key": key});
    }
    let summary = Some(one_line(&message.title)).filter(|title| !title.is_empty()).unwrap_or_else(|| "Regente".to_owned());
    let mut payload = json!({
        "summary": clip(&summary, MAX_SUMMARY), "source": "Regente", "severity": message.severity, "timestamp": message.at,
        "custom_details": {"text": message.text}
    });
    let mut event = json!({"routing_key": routing_key, "event_action": action, "dedup_key": key, "client": "Regente"});
    if let [alert] = message.alerts.as_slice() {
        about(alert, &mut payload);
        let links = links(alert, &Words(message.language), MAX_LINKS - 1);
        event["links"] = links.iter().map(|(text, href)| json!({"href": href, "text": text})).collect();
    }
    if let Some(url) = &message.url {
        event["client_url"] = json!(url);
    }
    event["payload"] = payload;
    event
}

fn about(alert: &Brief, payload: &mut Value) {
    payload["source"] = json!(alert.subject);
    payload["component"] = json!(alert.subject);
    payload["class"] = json!(alert.alert_type);
    if let Some(domain) = &alert.domain {
        payload["group"] = json!(domain);
    }
    let details = &mut payload["custom_details"];
    details["facts"] = json!(alert.facts);
    details["note"] = json!(alert.note);
    details["opened_at"] = json!(alert.opened_at);
    details["count"] = json!(alert.count);
}

#[cfg(test)]
mod tests {
    use domain::alert::Severity;

    use super::*;
    use crate::senders::testing::{alert, message};

    #[test]
    fn one_key_opens_repeats_resolves_and_opens_again() {
        let kinds = [NoticeKind::Opened, NoticeKind::Reminded, NoticeKind::Resolved, NoticeKind::Opened];
        let events: Vec<Value> =
            kinds.into_iter().map(|kind| event(&message(kind, vec![alert("x")]), "R0", &dedup_key("r/LATE/automation:1"))).collect();
        let of = |field: &str| events.iter().map(|event| event[field].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(of("event_action"), ["trigger", "trigger", "resolve", "trigger"]);
        assert_eq!((of("dedup_key"), of("routing_key")), (vec!["r/LATE/automation:1".to_owned(); 4], vec!["R0".to_owned(); 4]));
        assert_eq!(event(&message(NoticeKind::Acknowledged, vec![alert("x")]), "R0", "k")["event_action"], "acknowledge");
        assert_eq!(event(&message(NoticeKind::Escalated, vec![alert("x")]), "R0", "k")["event_action"], "trigger");
    }

    #[test]
    fn keys_and_summaries_are_within_their_limits_and_severities_are_those_of_pagerduty() {
        let (fits, long) = ("k".repeat(255), "k".repeat(300));
        assert_eq!((dedup_key(&fits), dedup_key(&long).len()), (fits, 64));
        assert_eq!(dedup_key(&long), dedup_key(&long.clone()));
        assert_ne!(dedup_key(&long), dedup_key(&"k".repeat(301)));
        let mut large = message(NoticeKind::Opened, vec![alert("x")]);
        large.title = "é\r\n".repeat(4000);
        assert_eq!(event(&large, "R0", "k")["payload"]["summary"].as_str().unwrap().chars().count(), MAX_SUMMARY);
        for (severity, name) in
            [(Severity::Info, "info"), (Severity::Warning, "warning"), (Severity::Error, "error"), (Severity::Critical, "critical")]
        {
            large.severity = severity;
            assert_eq!(event(&large, "R0", "k")["payload"]["severity"], name);
        }
    }
}
