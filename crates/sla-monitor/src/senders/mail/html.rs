//! HTML of a message that brings none, as mail programs show it: styles inline, no script, nothing loaded from elsewhere.

use domain::{
    alert::AlertStatus,
    notification::{Brief, Message, NoticeKind},
};
use pulldown_cmark::{Event, Options, Parser, Tag, html::push_html};

use super::{MAX_ALERTS, more};
use crate::senders::text::{Words, escape_html, links, mark, own_page};

pub(super) fn page(message: &Message) -> String {
    let words = Words(message.language);
    let is_over = message.kind == NoticeKind::Resolved;
    let mut body = format!(
        "<h2 style=\"font-size:18px;margin:0 0 12px\">{} {}</h2>{}",
        mark(message.severity, is_over),
        escape_html(&message.title),
        markdown(&message.text, false)
    );
    match message.alerts.as_slice() {
        [] => {}
        [one] => body.push_str(&detail(one, &words)),
        several => {
            let items: String = several.iter().take(MAX_ALERTS).map(item).collect();
            body.push_str(&format!("<ul style=\"list-style:none;padding:0\">{items}</ul>"));
        }
    }
    let more = more(message);
    if more > 0 {
        body.push_str(&format!("<p>… {}</p>", words.more(more)));
    }
    if let Some(url) = own_page(message) {
        body.push_str(&format!("<p>{}</p>", link(url, words.open())));
    }
    let style = "font-family:Arial,Helvetica,sans-serif;font-size:14px;line-height:1.5;color:#1f2933;max-width:640px";
    format!("<!DOCTYPE html><html><head><meta charset=\"utf-8\"></head><body><div style=\"{style}\">{body}</div></body></html>")
}

fn detail(alert: &Brief, words: &Words) -> String {
    let note = if alert.note.trim().is_empty() {
        String::new()
    } else {
        let style = "border-left:3px solid #cbd2d9;padding-left:12px;margin:16px 0";
        format!("<div style=\"{style}\"><strong>{}</strong>{}</div>", words.what_to_do(), markdown(&alert.note, true))
    };
    let links: Vec<String> = links(alert, words, usize::MAX).iter().map(|(text, url)| link(url, text)).collect();
    format!("{note}<p>{}</p>", links.join(" · "))
}

/// One of several alerts.
fn item(alert: &Brief) -> String {
    let title = match &alert.url {
        Some(url) => link(url, &alert.title),
        None => escape_html(&alert.title),
    };
    format!("<li style=\"margin:4px 0\">{} {title}</li>", mark(alert.severity, alert.status == AlertStatus::Resolved))
}

fn link(url: &str, text: &str) -> String {
    format!("<a href=\"{}\" style=\"color:#0967d2\">{}</a>", escape_html(url), escape_html(text))
}

/// Markdown as HTML. Markup in it is text, a picture is its words; links are kept of what people wrote, and lead to the web or to mail.
fn markdown(text: &str, has_links: bool) -> String {
    let is_fine = |url: &str| has_links && ["https://", "http://", "mailto:"].iter().any(|scheme| url.starts_with(scheme));
    let mut kept = Vec::new();
    let events = Parser::new_ext(text, Options::empty()).filter_map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Some(Event::Text(html)),
        Event::Start(Tag::Image { .. }) | Event::End(pulldown_cmark::TagEnd::Image) => None,
        Event::Start(Tag::Link { ref dest_url, .. }) => {
            kept.push(is_fine(dest_url));
            kept.last().is_some_and(|is_kept| *is_kept).then_some(event)
        }
        Event::End(pulldown_cmark::TagEnd::Link) => kept.pop().unwrap_or_default().then_some(event),
        event => Some(event),
    });
    let mut html = String::new();
    push_html(&mut html, events);
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::senders::testing::{alert, message};

    #[test]
    fn markup_of_users_is_text_and_only_notes_have_links() {
        let hostile = "Failed: <script>x</script> <img src=x onerror=y> [a](https://evil.test) ![b](https://evil.test/pixel) **bold**";
        let told = markdown(hostile, false);
        assert!(
            !told.contains("<script") && !told.contains("<img") && !told.contains("href") && told.contains("<strong>bold</strong>"),
            "{told}"
        );
        let noted = markdown("[runbook](https://wiki.example.com/x) [x](javascript:alert(1)) <b>b</b>", true);
        assert!(noted.contains("<a href=\"https://wiki.example.com/x\">runbook</a>") && !noted.contains("javascript"), "{noted}");
        assert!(noted.contains("&lt;b&gt;b&lt;/b&gt;"), "{noted}");
        let mut given = message(NoticeKind::Opened, vec![alert("x")]);
        given.alerts[0].url = Some("https://x.example.com/\"><script>".to_owned());
        let page = page(&given);
        assert!(!page.contains("<script") && page.contains("Faturamento &lt;São Paulo&gt; &amp; co"), "{page}");
    }
}
