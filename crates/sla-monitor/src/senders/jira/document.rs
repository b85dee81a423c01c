//! A message in the Atlassian Document Format, in which a text is never markup.

use domain::notification::Message;
use serde_json::{Value, json};

use crate::senders::text::{Part, Words, clip, links, parts};

/// Most characters of one text; a whole field takes 32,767.
const MAX_TEXT: usize = 8000;

pub(super) fn document(message: &Message) -> Value {
    let words = Words(message.language);
    let mut content = blocks(&message.text, false);
    for alert in &message.alerts {
        if !alert.note.trim().is_empty() {
            content.push(json!({"type": "heading", "attrs": {"level": 3}, "content": [text(words.what_to_do())]}));
            content.extend(blocks(&alert.note, true));
        }
        let linked: Vec<Value> = links(alert, &words, 5).iter().map(|(text, url)| item(vec![link(text, url)])).collect();
        if !linked.is_empty() {
            content.push(json!({"type": "bulletList", "content": linked}));
        }
    }
    if content.is_empty() {
        content.push(paragraph(vec![text(&message.title)]));
    }
    json!({"type": "doc", "version": 1, "content": content})
}

/// Paragraphs and lists of a text; only what people wrote for the reader has links.
fn blocks(markdown: &str, has_links: bool) -> Vec<Value> {
    let markdown = clip(markdown.trim(), MAX_TEXT);
    let mut blocks = Vec::new();
    for part in markdown.split("\n\n").map(str::trim).filter(|part| !part.is_empty()) {
        let mut items = Vec::new();
        let mut lines = Vec::new();
        for line in part.lines() {
            match line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")).filter(|item| !item.trim().is_empty()) {
                Some(line) => items.push(item(inline(line, has_links))),
                None => lines.push(line),
            }
        }
        if !lines.is_empty() {
            blocks.push(paragraph(broken(&lines, has_links)));
        }
        if !items.is_empty() {
            blocks.push(json!({"type": "bulletList", "content": items}));
        }
    }
    blocks
}

/// Lines of one paragraph.
fn broken(lines: &[&str], has_links: bool) -> Vec<Value> {
    let mut nodes = Vec::new();
    // A text node must not be empty.
    for line in lines.iter().filter(|line| !line.is_empty()) {
        if !nodes.is_empty() {
            nodes.push(json!({"type": "hardBreak"}));
        }
        nodes.extend(inline(line, has_links));
    }
    nodes
}

fn inline(line: &str, has_links: bool) -> Vec<Value> {
    if !has_links {
        return vec![text(line)];
    }
    let nodes = parts(line).into_iter().map(|part| match part {
        Part::Text(words) => text(words),
        Part::Link(words, url) => link(&words.replace("**", ""), url),
    });
    nodes.collect()
}

fn paragraph(content: Vec<Value>) -> Value {
    json!({"type": "paragraph", "content": content})
}

fn item(content: Vec<Value>) -> Value {
    json!({"type": "listItem", "content": [paragraph(content)]})
}

fn text(text: &str) -> Value {
    let plain = text.replace("**", "");
    json!({"type": "text", "text": if plain.is_empty() { " " } else { &plain }})
}

fn link(text: &str, url: &str) -> Value {
    json!({"type": "text", "text": text, "marks": [{"type": "link", "attrs": {"href": url}}]})
}

#[cfg(test)]
mod tests {
    use domain::notification::NoticeKind;

    use super::*;
    use crate::senders::testing::{alert, message};

    /// Every text of a document; fails on an empty one, which Jira refuses.
    fn texts(node: &Value, found: &mut Vec<String>) {
        if node["type"] == "text" {
            let text = node["text"].as_str().unwrap();
            assert!(!text.is_empty());
            found.push(text.to_owned());
        }
        node["content"].as_array().into_iter().flatten().for_each(|node| texts(node, found));
    }

    #[test]
    fn a_document_has_paragraphs_lists_note_and_links_and_no_empty_text() {
        let mut given = message(NoticeKind::Opened, vec![alert("x")]);
        given.text.push_str("\n\n \n\none\n\ntwo\n****\nthree\n- ");
        let document = document(&given);
        assert_eq!((&document["type"], &document["version"]), (&json!("doc"), &json!(1)));
        let mut found = Vec::new();
        texts(&document, &mut found);
        assert_eq!(
            found,
            [
                "It was due at 10:00.",
                "last run: yesterday",
                "queue: 3",
                "one",
                "two",
                " ",
                "three",
                "-",
                "What to do",
                "Look at SAP first",
                "Open in Regente",
                "Job 1"
            ]
        );
        let kinds: Vec<_> = document["content"].as_array().unwrap().iter().map(|node| node["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["paragraph", "bulletList", "paragraph", "paragraph", "heading", "paragraph", "bulletList"]);
    }

    #[test]
    fn a_note_has_links_and_a_text_has_none() {
        let mut given = message(NoticeKind::Opened, vec![alert("x")]);
        given.text = "[sign in](https://evil.test)".to_owned();
        given.alerts[0].note = "- see the [run **book**](https://wiki.test/a)".to_owned();
        let document = document(&given);
        let linked = json!({"type": "text", "text": "run book", "marks": [{"type": "link", "attrs": {"href": "https://wiki.test/a"}}]});
        assert_eq!(document["content"][0]["content"], json!([{"type": "text", "text": "[sign in](https://evil.test)"}]));
        assert_eq!(document["content"][2]["content"][0]["content"][0]["content"], json!([{"type": "text", "text": "see the "}, linked]));
    }
}
