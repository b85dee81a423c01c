//! Telegram: `sendMessage` of a bot, in HTML.

use std::time::Duration;

use domain::{
    alert::AlertStatus,
    notification::{Fate, Message, NoticeKind, Receipt, SendError, channel::Telegram},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Senders, answer,
    opened::Opened,
    required,
    text::{Part, Words, clip, escape_html, links, mark, own_page, parts},
};

/// Most characters of a message, counted as UTF-16 after its markup was read.
const MAX_TEXT: usize = 4096;
/// What is left of it for the title, and for what stands at the end.
const MAX_TITLE: usize = 300;
const RESERVED: usize = 100;

#[derive(Deserialize)]
struct Answer {
    result: Option<Sent>,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Sent {
    message_id: i64,
}

#[derive(Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
}

impl Senders {
    pub(super) async fn telegram(&self, settings: &Telegram, secrets: &Opened, message: &Message) -> Result<Receipt, SendError> {
        let url = format!("{}/bot{}/sendMessage", settings.url.trim_end_matches('/'), required(secrets, "bot_token")?);
        let headers = [("content-type", "application/json".to_owned())];
        let found = self.post(&url, &headers, payload(settings, message).to_string().into_bytes()).await?;
        let said: Option<Answer> = serde_json::from_slice(&found.body).ok();
        let wait = said.as_ref().and_then(|said| said.parameters.as_ref()?.retry_after).map(Duration::from_secs);
        let fate = match found.status {
            // Blocked by the person, or removed from the group.
            403 => Fate::Disable,
            // The token is of no bot.
            401 | 404 => Fate::Drop,
            429 if wait.is_some() => Fate::Retry(wait),
            _ => {
                let reference = said.and_then(|said| said.result).map(|sent| sent.message_id.to_string());
                return answer::judge(&found, secrets, self.now()).map(|receipt| Receipt { reference, ..receipt });
            }
        };
        Err(answer::refusal(fate, &found, secrets))
    }
}

pub(super) fn payload(settings: &Telegram, message: &Message) -> Value {
    let mut payload =
        json!({"chat_id": settings.chat_id, "text": text(message), "parse_mode": "HTML", "link_preview_options": {"is_disabled": true}});
    if let Some(thread) = settings.message_thread_id {
        payload["message_thread_id"] = json!(thread);
    }
    payload
}

/// Pieces of a text with their length as it is counted, so that no tag and no entity is cut through.
struct Pieces {
    html: String,
    left: usize,
}

impl Pieces {
    /// Adds a piece if it fits.
    fn add(&mut self, plain: &str, html: &str) -> bool {
        let length = plain.encode_utf16().count();
        if length > self.left {
            return false;
        }
        self.left -= length;
        self.html.push_str(html);
        true
    }

    fn plain(&mut self, text: &str) -> bool {
        self.add(text, &escape_html(text))
    }

    /// Adds as much of a text as leaves `room`; whether that is all of it.
    fn cut(&mut self, text: &str, room: usize) -> bool {
        let most = self.left.saturating_sub(room);
        let mut length = 0;
        let kept = text.chars().take_while(|one| {
            length += one.len_utf16();
            length < most
        });
        let kept: String = kept.collect();
        let is_all = kept.len() == text.len();
        self.plain(&if is_all { kept } else { format!("{kept}…") });
        is_all
    }

    /// Adds as much of what people wrote for the reader, whose links are links.
    fn note(&mut self, markdown: &str, room: usize) {
        for part in parts(markdown) {
            let is_added = match part {
                Part::Text(text) => self.cut(text, room),
                Part::Link(words, _) if self.left < room + words.encode_utf16().count() => self.cut(words, room),
                Part::Link(words, url) => self.link(url, "", words),
            };
            if !is_added {
                break;
            }
        }
    }

    fn link(&mut self, url: &str, before: &str, text: &str) -> bool {
        let html = format!("{}<a href=\"{}\">{}</a>", escape_html(before), escape_html(url), escape_html(text));
        self.add(&format!("{before}{text}"), &html)
    }
}

fn text(message: &Message) -> String {
    let words = Words(message.language);
    let is_over = message.kind == NoticeKind::Resolved;
    let mut pieces = Pieces { html: String::new(), left: MAX_TEXT };
    let title = format!("{} {}", mark(message.severity, is_over), clip(&message.title, MAX_TITLE));
    pieces.add(&title, &format!("<b>{}</b>", escape_html(&title)));
    let body = message.text.trim().replace("**", "");
    let room = if message.alerts.is_empty() { RESERVED } else { 1500 };
    if !body.is_empty() {
        pieces.cut(&format!("\n\n{body}"), room);
    }
    let mut more = message.more;
    match message.alerts.as_slice() {
        [] => {}
        [one] => {
            let note = one.note.trim().replace("**", "");
            if !note.is_empty() {
                let heading = words.what_to_do();
                pieces.add(&format!("\n\n{heading}"), &format!("\n\n<b>{heading}</b>"));
                pieces.plain("\n");
                pieces.note(&note, RESERVED + 100);
            }
            for (nth, (text, url)) in links(one, &words, 3).iter().enumerate() {
                pieces.link(url, if nth == 0 { "\n\n" } else { " · " }, text);
            }
        }
        several => {
            for (nth, alert) in several.iter().enumerate() {
                let before = format!("\n{} ", mark(alert.severity, alert.status == AlertStatus::Resolved));
                let title = clip(&alert.title, MAX_TITLE);
                let has_room = pieces.left > RESERVED + 2 * MAX_TITLE;
                let is_added = has_room
                    && match &alert.url {
                        Some(url) => pieces.link(url, &before, &title),
                        None => pieces.plain(&format!("{before}{title}")),
                    };
                if !is_added {
                    more += several.len() - nth;
                    break;
                }
            }
        }
    }
    if more > 0 {
        pieces.plain(&format!("\n… {}", words.more(more)));
    }
    if let Some(url) = own_page(message) {
        pieces.link(url, "\n\n", words.open());
    }
    pieces.html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::senders::testing::{alert, message};

    /// Characters as Telegram counts them.
    fn visible(html: &str) -> usize {
        let mut plain = String::new();
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            plain.push_str(&rest[..at]);
            rest = &rest[at + rest[at..].find('>').unwrap() + 1..];
        }
        plain.push_str(rest);
        let plain = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        plain.encode_utf16().count()
    }

    #[test]
    fn one_alert_has_its_text_note_and_links_with_markup_escaped() {
        let html = text(&message(NoticeKind::Opened, vec![alert("Faturamento")]));
        assert_eq!(
            html,
            "<b>🔴 Faturamento &lt;São Paulo&gt; &amp; co is late</b>\n\nIt was due at 10:00.\n\n- last run: yesterday\n- queue: 3\n\n\
             <b>What to do</b>\nLook at SAP first\n\n<a href=\"https://hub.example.com/alerts/7\">Open in Regente</a> · \
             <a href=\"https://hub.example.com/jobs/1\">Job 1</a>"
        );
    }

    #[test]
    fn a_note_has_links_and_a_text_has_none() {
        let mut noted = message(NoticeKind::Opened, vec![alert("x")]);
        noted.text = "[sign in](https://evil.test)".to_owned();
        noted.alerts[0].note = "See the [**run** <book>](https://wiki.test/a?b=1&c=2).".to_owned();
        let html = text(&noted);
        assert!(html.contains("\n\n[sign in](https://evil.test)\n\n"), "{html}");
        assert!(html.contains("</b>\nSee the <a href=\"https://wiki.test/a?b=1&amp;c=2\">run &lt;book&gt;</a>.\n\n"), "{html}");
        for length in 3700..4000 {
            noted.alerts[0].note = format!("{}[run & book](https://wiki.test/) end", "x".repeat(length));
            let html = text(&noted);
            assert!(
                visible(&html) <= MAX_TEXT && html.matches("<a ").count() == html.matches("</a>").count() && html.ends_with("Job 1</a>"),
                "{html}"
            );
        }
    }

    #[test]
    fn the_largest_message_is_within_the_limit_and_every_tag_is_closed() {
        let mut large = message(NoticeKind::Digest, (0..200).map(|nth| alert(&format!("<{nth}> 🚨{}", "&".repeat(400)))).collect());
        (large.title, large.text, large.more) = ("&🚨".repeat(4000), "<🚨>".repeat(4000), 5);
        let mut noted = message(NoticeKind::Opened, vec![alert("x")]);
        (noted.alerts[0].note, noted.text) = ("<🚨>".repeat(4000), "é".repeat(9000));
        for large in [large, noted] {
            let html = text(&large);
            assert!(visible(&html) <= MAX_TEXT, "{}", visible(&html));
            assert_eq!(html.matches("<a ").count(), html.matches("</a>").count());
            assert!(html.ends_with("</a>"), "{html}");
            let entities = html.split('&').skip(1).map(|rest| rest.split(';').next().unwrap());
            assert!(entities.into_iter().all(|name| matches!(name, "amp" | "lt" | "gt" | "quot")));
        }
    }
}
