//! A message as an e-mail in HTML: tables and inline styles, which is what mail programs show; no image, script or style from elsewhere.
//!
//! What must hold: nothing of names, errors and notes becomes markup but Markdown's own, and no link leads anywhere but to the web or a mailbox.

use domain::{
    alert::{AlertStatus, Severity},
    notification::{
        Brief, Message,
        words::{MAX_LISTED, Voice},
    },
    schedule::words::Language,
};
use minijinja::{AutoEscape, Environment, Value, context};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html::push_html};

const TEMPLATE: &str = include_str!("email.html");

/// The e-mail.
pub(super) fn html(voice: &Voice, message: &Message) -> String {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    // The template is of this program and a test renders it: what remains is a message without HTML.
    environment.render_named_str("email.html", TEMPLATE, variables(voice, message)).unwrap_or_default()
}

fn variables(voice: &Voice, message: &Message) -> Value {
    let only = match message.alerts.as_slice() {
        [one] if message.more == 0 => Some(one),
        _ => None,
    };
    // The figures of one alert are a table; a template's text is as it says.
    let built_in = voice.text(message.kind, &message.alerts, message.more);
    let is_built_in = message.text == built_in;
    let facts = only.filter(|_| is_built_in).map(|alert| voice.facts(alert)).unwrap_or_default();
    let html_text = if facts.is_empty() { markdown(&message.text) } else { String::new() };
    let note = only.map(|alert| alert.note.trim()).filter(|note| !note.is_empty());
    let listed: Vec<Value> = match only {
        Some(_) => Vec::new(),
        None => message.alerts.iter().take(MAX_LISTED).map(|alert| row(voice, alert)).collect(),
    };
    let hidden = message.more + message.alerts.len().saturating_sub(listed.len().max(usize::from(only.is_some())));
    let is_over = !message.alerts.is_empty() && message.alerts.iter().all(|alert| alert.status == AlertStatus::Resolved);
    let (open, job_word, zone_words) = match voice.language {
        Language::Pt => ("Abrir no Regente", "Execução", "Horários de"),
        Language::En => ("Open in Regente", "Job", "Times of"),
    };
    context! {
        language => message.language.as_str(),
        title => message.title.as_str(),
        preview => message.alerts.first().map_or(message.text.as_str(), |alert| alert.title.as_str()),
        colour => colour(message.severity, is_over),
        html_text => html_text,
        facts => facts,
        alerts => listed,
        more => if hidden > 0 { voice.and_more(hidden) } else { String::new() },
        what_to_do => voice.what_to_do(),
        html_note => note.map(markdown).unwrap_or_default(),
        url => message.url.as_deref().filter(|url| is_web(url)).unwrap_or_default(),
        open => open,
        jobs => only.map(|alert| alert.job_urls.clone()).unwrap_or_default(),
        job_word => job_word,
        time => voice.time(message.at),
        zone_words => zone_words,
        zone => voice.zone.name(),
    }
}

fn row(voice: &Voice, alert: &Brief) -> Value {
    let is_over = alert.status == AlertStatus::Resolved;
    let over = match voice.language {
        Language::Pt => "resolvido",
        Language::En => "resolved",
    };
    context! {
        title => alert.title.as_str(),
        state => if is_over { over.to_owned() } else { voice.severity(alert.severity) },
        colour => colour(alert.severity, is_over),
        url => alert.url.as_deref().filter(|url| is_web(url)).unwrap_or_default(),
    }
}

/// Dark enough to be read on white.
const fn colour(severity: Severity, is_over: bool) -> &'static str {
    match severity {
        _ if is_over => "#1e7b3c",
        Severity::Info => "#1f5fa8",
        Severity::Warning => "#8a5a00",
        Severity::Error => "#b3261e",
        Severity::Critical => "#7a0019",
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// Markdown as HTML. Raw HTML is shown as text; links other than to the web and mailboxes are not links; images are their descriptions.
pub(super) fn markdown(source: &str) -> String {
    let mut is_link = Vec::new();
    let events = Parser::new_ext(source, Options::ENABLE_STRIKETHROUGH).filter_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::Link { dest_url, .. }) => {
            let fits = is_web(&dest_url) || dest_url.starts_with("mailto:");
            is_link.push(fits);
            fits.then(|| Event::Html(CowStr::from(format!("<a href=\"{}\" style=\"color:#1f5fa8;\">", escape(&dest_url)))))
        }
        Event::End(TagEnd::Link) => is_link.pop().unwrap_or(false).then_some(Event::Html(CowStr::Borrowed("</a>"))),
        Event::Start(Tag::Image { .. } | Tag::HtmlBlock) | Event::End(TagEnd::Image | TagEnd::HtmlBlock) => None,
        other => Some(other),
    });
    let mut html = String::new();
    push_html(&mut html, events);
    html.trim_end().to_owned()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, Utc};
    use domain::{alert::AlertType, notification::NoticeKind, schedule::Zones};
    use uuid::Uuid;

    use super::{
        super::{render::compose, templates::example},
        *,
    };

    fn voice() -> Voice {
        let now: DateTime<Utc> = "2026-11-27T17:50:00Z".parse().unwrap();
        Voice { language: Language::Pt, zone: Zones::bundled().get("America/Sao_Paulo").unwrap(), now }
    }

    fn message(kind: NoticeKind, alerts: Vec<Brief>, templates: &BTreeMap<String, String>) -> Message {
        compose(
            Some("https://hub.example.com"),
            super::super::render::Draft { id: Uuid::nil().into(), kind, voice: &voice(), templates, alerts, more: 0, reference: None },
        )
    }

    #[test]
    fn one_alert_is_a_table_of_its_figures_with_the_note_and_links() {
        let mut alert = example(AlertType::Late, NoticeKind::Opened, &voice());
        (alert.url, alert.job_urls) =
            (Some("https://hub.example.com/alerts/1".to_owned()), vec!["https://hub.example.com/jobs/2".to_owned()]);
        let html = message(NoticeKind::Opened, vec![alert], &BTreeMap::new()).html.unwrap();
        for part in [
            "Faturamento está atrasado: esperado às 14:30, ainda não terminou (20 min)</td>",
            ">Gravidade</td>",
            ">erro</td>",
            "<ol>\n<li>Veja se o SAP responde</li>",
            "href=\"https:&#x2f;&#x2f;hub.example.com&#x2f;alerts&#x2f;1\"",
            "Execução 1</a>",
            "Regente &middot; 14:50 &middot; Horários de America&#x2f;Sao_Paulo",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<link"), "{html}");
    }

    #[test]
    fn several_are_rows_in_the_order_of_the_message() {
        let (late, gone) =
            (example(AlertType::Late, NoticeKind::Opened, &voice()), example(AlertType::WorkerDown, NoticeKind::Opened, &voice()));
        let html = message(NoticeKind::Digest, vec![late.clone(), gone.clone()], &BTreeMap::new()).html.unwrap();
        let at = |title: &str| html.rfind(title).unwrap_or_else(|| panic!("{title} is not in {html}"));
        assert!(at("Faturamento está atrasado") < at("O worker robo-01 sumiu"), "{html}");
        assert!(html.contains("Resumo: 2 alertas, 2 em aberto"), "{html}");
    }

    #[test]
    fn names_errors_and_notes_are_no_markup() {
        let mut alert = example(AlertType::Failure, NoticeKind::Opened, &voice());
        alert.subject = "<script>alert(1)</script>".to_owned();
        alert.facts.error_message = Some("\"><img src=x onerror=alert(1)>".to_owned());
        alert.note =
            "<img src=x onerror=alert(1)> [a](javascript:alert(1)) ![b](https://x.test/b.png) [c](https://x.test/?a=1&b=\"2)".to_owned();
        alert.title = voice().title(&alert);
        let html = message(NoticeKind::Opened, vec![alert], &BTreeMap::new()).html.unwrap();
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("javascript:"), "{html}");
        assert!(html.contains("&lt;script&gt;") && html.contains("href=\"https://x.test/?a=1&amp;b=&quot;2\""), "{html}");
    }

    #[test]
    fn a_template_decides_the_text_of_the_mail_too() {
        let templates = BTreeMap::from([("opened.text".to_owned(), "**{{ alert.subject }}** is late\n\n- one\n- two".to_owned())]);
        let html = message(NoticeKind::Opened, vec![example(AlertType::Late, NoticeKind::Opened, &voice())], &templates).html.unwrap();
        assert!(html.contains("<p><strong>Faturamento</strong> is late</p>\n<ul>\n<li>one</li>"), "{html}");
        assert!(!html.contains(">Gravidade</td>"), "{html}");
    }
}
