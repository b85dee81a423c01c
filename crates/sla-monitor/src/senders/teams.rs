//! Microsoft Teams: an adaptive card to the webhook of a workflow.
//!
//! A workflow answers 202 before the card is posted, so that what is too large is lost without a word: its limit of 28 KB counts after a re-encoding
//! that is larger than what was sent.

use domain::{
    alert::{AlertStatus, Severity},
    notification::{Brief, Message, NoticeKind, Receipt, SendError},
};
use serde_json::{Value, json};

use super::{
    Senders, answer,
    opened::Opened,
    required,
    text::{Words, clip, links, mark},
};

/// Most bytes of a payload in its largest encoding.
const MAX_BYTES: usize = 20 * 1024;
/// Most characters of a title.
const MAX_TITLE: usize = 200;
/// Most characters of a text.
const MAX_TEXT: usize = 1000;
/// Most actions below a card.
const MAX_ACTIONS: usize = 5;

impl Senders {
    pub(super) async fn teams(&self, secrets: &Opened, message: &Message) -> Result<Receipt, SendError> {
        let headers = [("content-type", "application/json".to_owned())];
        let found = self.post(required(secrets, "url")?, &headers, payload(message).to_string().into_bytes()).await?;
        answer::judge(&found, secrets, self.now())
    }
}

/// The payload with as many of the alerts as fit.
pub(super) fn payload(message: &Message) -> Value {
    let mut shown = message.alerts.len();
    loop {
        let payload = with_alerts(message, shown);
        if shown == 0 || encoded(&payload) < MAX_BYTES {
            return payload;
        }
        // Each round is a good part smaller.
        shown = shown * 3 / 4;
    }
}

/// Bytes of a payload whose characters beyond ASCII are escaped.
fn encoded(payload: &Value) -> usize {
    payload.to_string().chars().map(|one| if one.is_ascii() { 1 } else { 6 * one.len_utf16() }).sum()
}

fn with_alerts(message: &Message, shown: usize) -> Value {
    let words = Words(message.language);
    let is_over = message.kind == NoticeKind::Resolved;
    let title = format!("{} {}", mark(message.severity, is_over), clip(&message.title, MAX_TITLE));
    let mut body = vec![json!({
        "type": "TextBlock", "text": unlinked(&title), "wrap": true, "weight": "Bolder", "size": "Medium", "color": color(message.severity, is_over)
    })];
    let text = clip(message.text.trim(), MAX_TEXT);
    if !text.is_empty() {
        body.push(block(&unlinked(&text)));
    }
    let mut actions = Vec::new();
    match message.alerts.as_slice() {
        [] => {}
        [one] if shown == 1 => {
            if !one.note.trim().is_empty() {
                body.push(block(&format!("**{}**\n\n{}", words.what_to_do(), clip(one.note.trim(), MAX_TEXT))));
            }
            actions.extend(links(one, &words, MAX_ACTIONS - 1).iter().map(|(title, url)| action(title, url)));
        }
        several => body.extend(several.iter().take(shown).map(|alert| block(&line(alert)))),
    }
    let more = message.more + message.alerts.len() - shown;
    if more > 0 {
        body.push(json!({"type": "TextBlock", "text": format!("… {}", words.more(more)), "wrap": true, "isSubtle": true}));
    }
    if let Some(url) = message.url.as_deref().filter(|_| actions.is_empty()) {
        actions.push(action(words.open(), url));
    }
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body, "actions": actions,
        "msteams": {"width": "Full"}
    });
    json!({
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card}]
    })
}

fn block(text: &str) -> Value {
    json!({"type": "TextBlock", "text": text, "wrap": true})
}

/// One of several alerts.
fn line(alert: &Brief) -> String {
    let title = unlinked(&clip(&alert.title, MAX_TITLE));
    let title = match &alert.url {
        Some(url) => format!("[{title}]({})", url.replace(')', "%29")),
        None => title,
    };
    format!("- {} {title}", mark(alert.severity, alert.status == AlertStatus::Resolved))
}

fn action(title: &str, url: &str) -> Value {
    json!({"type": "Action.OpenUrl", "title": title, "url": url})
}

/// A text in which nothing is a link: what a robot says becomes no address that people click.
fn unlinked(text: &str) -> String {
    text.replace('[', "\\[").replace(']', "\\]")
}

const fn color(severity: Severity, is_over: bool) -> &'static str {
    match severity {
        _ if is_over => "Good",
        Severity::Info => "Accent",
        Severity::Warning => "Warning",
        Severity::Error | Severity::Critical => "Attention",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::senders::testing::{alert, message};

    fn card(payload: &Value) -> &Value {
        &payload["attachments"][0]["content"]
    }

    #[test]
    fn a_card_is_in_its_envelope_and_has_note_and_links() {
        let payload = payload(&message(NoticeKind::Opened, vec![alert("Faturamento")]));
        assert_eq!(
            (&payload["type"], &payload["attachments"][0]["contentType"]),
            (&json!("message"), &json!("application/vnd.microsoft.card.adaptive"))
        );
        let card = card(&payload);
        assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
        let texts: Vec<_> = card["body"].as_array().unwrap().iter().map(|block| block["text"].as_str().unwrap()).collect();
        assert_eq!(texts[0], "🔴 Faturamento <São Paulo> & co is late");
        assert_eq!(texts[2], "**What to do**\n\nLook at **SAP** first");
        let actions: Vec<_> = card["actions"].as_array().unwrap().iter().map(|action| action["url"].as_str().unwrap()).collect();
        assert_eq!(actions, ["https://hub.example.com/alerts/7", "https://hub.example.com/jobs/1"]);
    }

    #[test]
    fn a_card_stays_under_its_limit_in_the_largest_encoding_and_says_how_many_more() {
        let mut large =
            message(NoticeKind::Digest, (0..300).map(|nth| alert(&format!("{nth} São Paulo 🚨 {}", "ç".repeat(300)))).collect());
        (large.more, large.text, large.title) = (7, "ã".repeat(9000), "é".repeat(9000));
        let payload = payload(&large);
        assert!(encoded(&payload) < MAX_BYTES, "{}", encoded(&payload));
        let body = card(&payload)["body"].as_array().unwrap();
        let lines = body.iter().filter(|block| block["text"].as_str().unwrap().starts_with("- ")).count();
        let last = body.last().unwrap()["text"].as_str().unwrap();
        assert!(lines > 0);
        assert_eq!(last, format!("… {} more", 307 - lines));
        assert_eq!(encoded(&json!("aã🚨")), 2 + 1 + 6 + 12);
    }

    #[test]
    fn what_a_robot_says_is_no_link() {
        let mut phishing = message(NoticeKind::Opened, vec![]);
        phishing.text = "[sign in again](https://evil.test)".to_owned();
        assert_eq!(card(&payload(&phishing))["body"][1]["text"], "\\[sign in again\\](https://evil.test)");
    }
}
