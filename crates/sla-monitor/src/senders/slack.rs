//! Slack: an incoming webhook with blocks. The limits are those of its reference of Block Kit.

use domain::{
    alert::AlertStatus,
    notification::{Brief, Fate, Message, NoticeKind, Receipt, SendError},
};
use serde_json::{Value, json};

use super::{
    Senders, answer,
    opened::Opened,
    required,
    text::{Part, Words, clip, links, mark, own_page, parts},
};

/// Most blocks of a message.
const MAX_BLOCKS: usize = 50;
/// Most characters of a text of a section.
const MAX_TEXT: usize = 3000;
/// Most characters of a header.
const MAX_HEADER: usize = 150;
/// Most characters of the text that notifications show.
const MAX_FALLBACK: usize = 1000;

impl Senders {
    pub(super) async fn slack(&self, secrets: &Opened, message: &Message) -> Result<Receipt, SendError> {
        let headers = [("content-type", "application/json".to_owned())];
        let found = self.post(required(secrets, "url")?, &headers, payload(message).to_string().into_bytes()).await?;
        let (said, now) = (answer::shown(&found, secrets), self.now());
        match fate(&said).filter(|_| found.status != 200) {
            Some(fate) => Err(answer::refusal(fate, &found, secrets)),
            None => answer::judge(&found, secrets, now),
        }
    }
}

/// What the words of an answer mean; `None`: what its status does.
fn fate(said: &str) -> Option<Fate> {
    Some(match said {
        "invalid_payload"
        | "invalid_blocks"
        | "no_text"
        | "too_many_attachments"
        | "action_prohibited"
        | "posting_to_general_channel_denied" => Fate::Drop,
        "channel_is_archived"
        | "channel_not_found"
        | "no_service"
        | "no_service_id"
        | "no_team"
        | "no_active_hooks"
        | "team_disabled"
        | "invalid_token"
        | "user_not_found" => Fate::Disable,
        _ => return None,
    })
}

pub(super) fn payload(message: &Message) -> Value {
    let words = Words(message.language);
    let is_over = message.kind == NoticeKind::Resolved;
    let title = format!("{} {}", mark(message.severity, is_over), message.title);
    let mut blocks =
        vec![json!({"type": "header", "text": {"type": "plain_text", "text": cut(&escape(&title), MAX_HEADER), "emoji": true}})];
    let text = mrkdwn(&message.text);
    if !text.is_empty() {
        blocks.push(section(&text));
    }
    let mut more = message.more;
    match message.alerts.as_slice() {
        [] => {}
        [one] => blocks.extend(detail(one, &words)),
        several => {
            // The last two: how many more there are, and the address.
            let room = MAX_BLOCKS - blocks.len() - 2;
            more += several.len().saturating_sub(room);
            blocks.extend(several.iter().take(room).map(|alert| section(&line(alert))));
        }
    }
    if more > 0 {
        blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": format!("… {}", words.more(more))}]}));
    }
    if let Some(url) = own_page(message) {
        blocks.push(section(&link(url, words.open())));
    }
    json!({"text": cut(&escape(&title), MAX_FALLBACK), "blocks": blocks})
}

/// Note and links of the only alert.
fn detail(alert: &Brief, words: &Words) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !alert.note.trim().is_empty() {
        blocks.push(section(&format!("*{}*\n{}", words.what_to_do(), noted(&alert.note))));
    }
    let links: Vec<String> = links(alert, words, 5).iter().map(|(text, url)| link(url, text)).collect();
    if !links.is_empty() {
        blocks.push(section(&links.join("  ·  ")));
    }
    blocks
}

/// One of several alerts.
fn line(alert: &Brief) -> String {
    let title = match &alert.url {
        Some(url) => link(url, &alert.title),
        None => escape(&alert.title),
    };
    format!("{} {title}", mark(alert.severity, alert.status == AlertStatus::Resolved))
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": cut(text, MAX_TEXT)}})
}

/// At most `most` characters, with no entity and no link cut through.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut = clip(text, most);
    // Where an entity or a link begins that does not end.
    let open = [('<', '>'), ('&', ';')].iter().filter_map(|(begin, end)| cut.rfind(*begin).filter(|at| !cut[*at..].contains(*end))).min();
    open.map_or_else(|| cut.clone(), |at| format!("{}…", &cut[..at]))
}

fn link(url: &str, text: &str) -> String {
    format!("<{}|{}>", escape(url).replace('|', "%7C"), escape(text).replace('|', "¦"))
}

/// The three characters that Slack gives a meaning.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Markdown in Slack's own: bold and lists; the rest is as it is.
fn mrkdwn(markdown: &str) -> String {
    bold(&bulleted(markdown))
}

/// The same of what people wrote for the reader, whose links are links.
fn noted(markdown: &str) -> String {
    let bulleted = bulleted(markdown);
    let parts = parts(&bulleted).into_iter().map(|part| match part {
        Part::Text(text) => bold(text),
        Part::Link(words, url) => link(url, &words.replace("**", "")),
    });
    parts.collect()
}

fn bold(text: &str) -> String {
    escape(text).replace("**", "*")
}

fn bulleted(markdown: &str) -> String {
    let lines = markdown.trim().lines().map(|line| match line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")) {
        Some(item) => format!("• {item}"),
        None => line.trim_start_matches('#').trim_start().to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::senders::testing::{alert, message};

    fn texts(payload: &Value) -> Vec<String> {
        let blocks = payload["blocks"].as_array().unwrap().iter();
        blocks.map(|block| block["text"]["text"].as_str().or(block["elements"][0]["text"].as_str()).unwrap().to_owned()).collect()
    }

    #[test]
    fn one_alert_has_its_text_note_and_links_with_markup_escaped() {
        let payload = payload(&message(NoticeKind::Opened, vec![alert("Faturamento")]));
        assert_eq!(
            texts(&payload),
            [
                "🔴 Faturamento &lt;São Paulo&gt; &amp; co is late",
                "It was due at *10:00*.\n\n• last run: yesterday\n• queue: 3",
                "*What to do*\nLook at *SAP* first",
                "<https://hub.example.com/alerts/7|Open in Regente>  ·  <https://hub.example.com/jobs/1|Job 1>",
            ]
        );
        assert_eq!(payload["text"], "🔴 Faturamento &lt;São Paulo&gt; &amp; co is late");
    }

    #[test]
    fn the_largest_message_is_within_the_limits() {
        let mut large = message(NoticeKind::Digest, (0..200).map(|nth| alert(&format!("<{nth}> {}", "é".repeat(4000)))).collect());
        (large.title, large.text, large.more) = ("&".repeat(4000), "&<>".repeat(4000), 5);
        let payload = payload(&large);
        let texts = texts(&payload);
        assert_eq!(texts.len(), MAX_BLOCKS);
        assert!(texts.iter().all(|text| text.chars().count() <= MAX_TEXT) && texts[0].chars().count() <= MAX_HEADER);
        assert_eq!(texts[48], "… 159 more", "200 alerts less 46, and 5");
        assert!(!texts[1].trim_end_matches('…').rsplit('&').next().unwrap().trim_end_matches(';').contains('&'));
    }

    #[test]
    fn a_note_has_links_and_none_is_cut_through() {
        let mut noted = message(NoticeKind::Opened, vec![alert("x")]);
        noted.text = "[sign in](https://evil.test)".to_owned();
        noted.alerts[0].note = "See the [run|book](https://wiki.test/a?b=1&c=2).\n- [x](javascript:y)".to_owned();
        let texts_of = |message: &Message| texts(&payload(message));
        assert_eq!(texts_of(&noted)[1], "[sign in](https://evil.test)");
        assert_eq!(texts_of(&noted)[2], "*What to do*\nSee the <https://wiki.test/a?b=1&amp;c=2|run¦book>.\n• [x](javascript:y)");
        for length in 2900..3000 {
            noted.alerts[0].note = format!("{}[run & book](https://wiki.test/a?b=1&c=2)", "x".repeat(length));
            let text = &texts_of(&noted)[2];
            assert!(
                text.chars().count() <= MAX_TEXT && text.contains('<') == text.contains('>') && (text.contains('>') || text.ends_with('…')),
                "{text}"
            );
        }
    }

    #[test]
    fn what_slack_says_has_its_fate() {
        for (said, expected) in [
            ("invalid_payload", Some(Fate::Drop)),
            ("channel_is_archived", Some(Fate::Disable)),
            ("no_service", Some(Fate::Disable)),
            ("action_prohibited", Some(Fate::Drop)),
            ("rollup_error", None),
            ("ok", None),
        ] {
            assert_eq!(fate(said), expected, "{said}");
        }
    }
}
