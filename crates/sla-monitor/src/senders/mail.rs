//! E-mail: text and HTML of one message. [`super::smtp`] delivers it.
//!
//! What must hold: no text of a user ends a header. lettre hides a line break in an encoded word, and panics on one in a display name, so that both
//! are cleaned first.

mod html;

use std::time::SystemTime;

use domain::{
    alert::AlertStatus,
    notification::{Brief, Message, NoticeKind, Receipt, SendError, channel::Email},
};
use lettre::{
    Address,
    message::{Mailbox, MessageBuilder, MultiPart, header},
};
use sha2::{Digest as _, Sha256};

use super::{
    Senders, answer,
    opened::Opened,
    text::{Words, clip, links, mark, one_line, own_page},
};

/// Most characters of a subject.
const MAX_SUBJECT: usize = 200;
/// Most alerts that a mail lists.
const MAX_ALERTS: usize = 100;

impl Senders {
    pub(super) async fn mail(&self, settings: &Email, secrets: &Opened, message: &Message) -> Result<Receipt, SendError> {
        let mail = build(settings, message)?;
        self.deliver(settings, secrets, &mail).await
    }
}

fn build(settings: &Email, message: &Message) -> Result<lettre::Message, SendError> {
    let from = address(&settings.from)?;
    let domain = from.domain().to_owned();
    let name = settings.from_name.as_deref().map(one_line).filter(|name| !name.is_empty());
    let mut builder = lettre::Message::builder()
        .from(Mailbox::new(name, from))
        .subject(subject(message))
        .date(SystemTime::from(message.at))
        // The same at each attempt, so that mail servers recognise a repetition.
        .message_id(Some(format!("<{}@{domain}>", message.id)))
        .header(AutoSubmitted);
    for to in &settings.to {
        builder = builder.to(Mailbox::new(None, address(to)?));
    }
    if let Some(thread) = thread(message, &domain) {
        builder = builder.in_reply_to(thread.clone()).references(thread);
    }
    let parts = MultiPart::alternative_plain_html(plain(message), message.html.clone().unwrap_or_else(|| html::page(message)));
    multipart(builder, parts)
}

fn multipart(builder: MessageBuilder, parts: MultiPart) -> Result<lettre::Message, SendError> {
    builder.multipart(parts).map_err(|error| answer::unsendable(format!("the mail cannot be made: {error}")))
}

fn address(text: &str) -> Result<Address, SendError> {
    text.parse().map_err(|error| answer::unsendable(format!("{} is no address of e-mail: {error}", one_line(text))))
}

/// What every message of one incident refers to: the first as well, so that mail programs show them together.
fn thread(message: &Message, domain: &str) -> Option<String> {
    let [one] = message.alerts.as_slice() else { return None };
    let digest = Sha256::digest(one.id.to_string());
    let id: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Some(format!("<incident.{id}@{domain}>"))
}

/// Says first how bad it is.
pub(super) fn subject(message: &Message) -> String {
    let is_over = message.kind == NoticeKind::Resolved;
    clip(&one_line(&format!("{} [Regente] {}", mark(message.severity, is_over), message.title)), MAX_SUBJECT)
}

pub(super) fn plain(message: &Message) -> String {
    let words = Words(message.language);
    let mut text = format!("{}\n\n{}\n", message.title, message.text.trim());
    match message.alerts.as_slice() {
        [] => {}
        [one] => {
            if !one.note.trim().is_empty() {
                text.push_str(&format!("\n{}:\n{}\n", words.what_to_do(), one.note.trim()));
            }
            for (title, url) in links(one, &words, usize::MAX) {
                text.push_str(&format!("\n{title}: {url}"));
            }
        }
        several => several.iter().take(MAX_ALERTS).for_each(|alert| text.push_str(&line(alert))),
    }
    let more = more(message);
    if more > 0 {
        text.push_str(&format!("\n… {}", words.more(more)));
    }
    if let Some(url) = own_page(message) {
        text.push_str(&format!("\n\n{}: {url}", words.open()));
    }
    text.push('\n');
    text
}

/// One of several alerts.
fn line(alert: &Brief) -> String {
    let url = alert.url.as_deref().map(|url| format!("\n  {url}")).unwrap_or_default();
    format!("\n{} {}{url}", mark(alert.severity, alert.status == AlertStatus::Resolved), one_line(&alert.title))
}

/// Alerts that are not listed.
fn more(message: &Message) -> usize {
    message.more + message.alerts.len().saturating_sub(MAX_ALERTS)
}

/// Keeps out-of-office replies away (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests;
