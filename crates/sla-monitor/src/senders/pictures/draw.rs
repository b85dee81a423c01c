//! Payloads as a person would read them. A drawing has every text, link and button of its payload and not the look of a vendor; a part that it does
//! not know fails, so that nothing is sent that nobody has seen.

use pulldown_cmark::{Options, Parser, html::push_html};
use serde_json::Value;

use crate::senders::text::escape_html;

const STYLE: &str = "body{margin:0;padding:12px;background:#eef1f5;font:14px/1.45 'Liberation Sans',Arial,sans-serif;color:#1b2430}\
.message{background:#fff;border:1px solid #d3d9e2;padding:10px 14px;margin:0 0 12px 0;overflow-wrap:anywhere}\
.message:last-child{margin:0}h3{font-size:16px;margin:0 0 6px 0}p,ul,ol{margin:0 0 8px 0}li p{margin:0}a{color:#1f5fa8}\
.button{display:inline-block;border:1px solid #1f5fa8;padding:4px 10px;margin:2px 6px 2px 0;text-decoration:none}\
.subtle{color:#5b6776;font-size:12px}pre{margin:0;white-space:pre-wrap;font:12px/1.4 'Liberation Mono',monospace}\
.Good{color:#1e7b3c}.Attention{color:#b3261e}.Warning{color:#8a5a00}.Accent{color:#1f5fa8}\
td{vertical-align:top;padding:1px 12px 1px 0}td:first-child{color:#5b6776;white-space:nowrap}";

pub(super) fn page(body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\n\
         <body>\n{body}</body>\n</html>\n"
    )
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} is not a text in {value}"))
}

fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value[field].as_array().unwrap_or_else(|| panic!("{field} is not a list in {value}"))
}

fn anchor(url: &str, inner: &str) -> String {
    format!("<a href=\"{}\">{inner}</a>", escape_html(url))
}

fn rows<'r>(rows: impl IntoIterator<Item = (&'r str, String)>) -> String {
    let rows: String = rows.into_iter().map(|(name, value)| format!("<tr><td>{name}</td><td>{value}</td></tr>\n")).collect();
    format!("<table>{rows}</table>\n")
}

pub(super) fn text_mail(subject: &str, text: &str) -> String {
    format!("<h3>{}</h3><pre>{}</pre>", escape_html(subject), escape_html(text.trim_end()))
}

/// A message of blocks.
pub(super) fn slack(payload: &Value) -> String {
    let block = |block: &Value| match text(block, "type") {
        "header" => format!("<h3>{}</h3>\n", text(&block["text"], "text")),
        "section" => format!("<p>{}</p>\n", mrkdwn(text(&block["text"], "text"))),
        "context" => {
            let elements: String = list(block, "elements").iter().map(|element| mrkdwn(text(element, "text"))).collect();
            format!("<p class=\"subtle\">{elements}</p>\n")
        }
        other => panic!("unknown block {other}"),
    };
    list(payload, "blocks").iter().map(block).collect()
}

/// Slack's own markup: `<url|text>`, `*bold*`; the three characters of HTML are escaped in it as in HTML.
fn mrkdwn(source: &str) -> String {
    let mut html = String::new();
    for (nth, part) in source.split('<').enumerate() {
        match part.split_once('>').filter(|_| nth > 0) {
            Some((link, rest)) => {
                let (url, words) = link.split_once('|').unwrap_or((link, link));
                html.push_str(&format!("<a href=\"{}\">{words}</a>{}", url.replace('"', "&quot;"), bold(rest)));
            }
            None => html.push_str(&bold(part)),
        }
    }
    html.replace('\n', "<br>\n")
}

fn bold(text: &str) -> String {
    let parts: Vec<&str> = text.split('*').collect();
    if parts.len().is_multiple_of(2) {
        return text.to_owned();
    }
    parts.iter().enumerate().map(|(nth, part)| if nth % 2 == 1 { format!("<strong>{part}</strong>") } else { (*part).to_owned() }).collect()
}

/// An adaptive card.
pub(super) fn teams(payload: &Value) -> String {
    let card = &payload["attachments"][0]["content"];
    let block = |block: &Value| {
        assert_eq!(text(block, "type"), "TextBlock");
        let mut html = String::new();
        push_html(&mut html, Parser::new_ext(text(block, "text"), Options::empty()));
        let colour = block["color"].as_str().unwrap_or_default();
        match (block["size"].as_str(), block["isSubtle"].as_bool()) {
            (Some("Medium"), _) => format!("<h3 class=\"{colour}\">{}</h3>\n", html.replace("<p>", "").replace("</p>", "").trim()),
            (_, Some(true)) => format!("<div class=\"subtle\">{html}</div>"),
            _ => html,
        }
    };
    let action = |action: &Value| {
        assert_eq!(text(action, "type"), "Action.OpenUrl");
        format!("<a class=\"button\" href=\"{}\">{}</a>\n", escape_html(text(action, "url")), escape_html(text(action, "title")))
    };
    let body: String = list(card, "body").iter().map(block).collect();
    format!("{body}{}", list(card, "actions").iter().map(action).collect::<String>())
}

/// A message in Telegram's HTML.
pub(super) fn telegram(payload: &Value) -> String {
    assert_eq!(text(payload, "parse_mode"), "HTML");
    format!("<div style=\"white-space:pre-wrap\">{}</div>", text(payload, "text"))
}

/// An event of PagerDuty.
pub(super) fn pagerduty(event: &Value) -> String {
    let action = text(event, "event_action");
    let key = ("dedup_key", escape_html(text(event, "dedup_key")));
    let Some(payload) = event["payload"].as_object() else {
        return format!("<h3>{action}</h3>{}", rows([key]));
    };
    let mut html = format!("<h3>{action}: {}</h3>", escape_html(text(&event["payload"], "summary")));
    let details = payload["custom_details"].as_object().unwrap();
    let fields = payload.iter().filter(|(name, _)| !matches!(name.as_str(), "summary" | "custom_details"));
    let mut fields: Vec<(&str, String)> = fields.map(|(name, value)| (name.as_str(), plain(value))).collect();
    fields.sort();
    let mut more: Vec<(&str, String)> = details.iter().map(|(name, value)| (name.as_str(), plain(value))).collect();
    more.sort();
    html.push_str(&rows(std::iter::once(key).chain(fields).chain(more)));
    for link in list(event, "links") {
        html.push_str(&format!("{} &nbsp; ", anchor(text(link, "href"), &escape_html(text(link, "text")))));
    }
    html.push_str(&anchor(text(event, "client_url"), &escape_html(text(event, "client"))));
    html
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => escape_html(text).replace('\n', "<br>\n"),
        other => format!("<pre>{}</pre>", escape_html(&pretty(other, 0))),
    }
}

/// A payload as it is.
pub(super) fn json(value: &Value) -> String {
    format!("<pre>{}</pre>", escape_html(&pretty(value, 0)))
}

/// JSON with names in order, so that a page does not depend on how the program was built.
fn pretty(value: &Value, depth: usize) -> String {
    let (inner, outer) = ("  ".repeat(depth + 1), "  ".repeat(depth));
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut lines: Vec<(&String, String)> = fields.iter().map(|(name, value)| (name, pretty(value, depth + 1))).collect();
            lines.sort();
            let lines: Vec<String> = lines.into_iter().map(|(name, value)| format!("{inner}{name:?}: {value}")).collect();
            format!("{{\n{}\n{outer}}}", lines.join(",\n"))
        }
        Value::Array(items) if !items.is_empty() => {
            let lines: Vec<String> = items.iter().map(|item| format!("{inner}{}", pretty(item, depth + 1))).collect();
            format!("[\n{}\n{outer}]", lines.join(",\n"))
        }
        other => other.to_string(),
    }
}

/// An issue that is created.
pub(super) fn jira_issue(issue: &Value) -> String {
    let fields = &issue["fields"];
    let labels: Vec<&str> = list(fields, "labels").iter().map(|label| label.as_str().unwrap()).collect();
    let about = [
        ("project", text(&fields["project"], "key").to_owned()),
        ("type", text(&fields["issuetype"], "name").to_owned()),
        ("labels", labels.join(" ")),
    ];
    format!("<h3>{}</h3>{}{}", escape_html(text(fields, "summary")), rows(about), nodes(&fields["description"]))
}

/// A comment.
pub(super) fn jira_comment(comment: &Value) -> String {
    nodes(&comment["body"])
}

/// A document of Atlassian's format.
fn nodes(node: &Value) -> String {
    let inner = || list(node, "content").iter().map(nodes).collect::<String>();
    match text(node, "type") {
        "doc" => inner(),
        "paragraph" => format!("<p>{}</p>\n", inner()),
        "heading" => format!("<h3>{}</h3>\n", inner()),
        "bulletList" => format!("<ul>{}</ul>\n", inner()),
        "orderedList" => format!("<ol>{}</ol>\n", inner()),
        "listItem" => format!("<li>{}</li>", inner()),
        "hardBreak" => "<br>\n".to_owned(),
        "text" => {
            let marks = node["marks"].as_array().map(Vec::as_slice).unwrap_or_default();
            marks.iter().fold(escape_html(text(node, "text")), |words, mark| match text(mark, "type") {
                "link" => anchor(text(&mark["attrs"], "href"), &words),
                "strong" => format!("<strong>{words}</strong>"),
                other => panic!("unknown mark {other}"),
            })
        }
        other => panic!("unknown node {other}"),
    }
}
