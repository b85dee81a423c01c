//! What messages say, as people say it: "Faturamento está atrasado: esperado às 14:30, ainda não terminou (20 min)".
//!
//! Titles are one line without control characters, whatever names and errors contain. Times are local, durations rounded to what one would say.

mod facts;
mod figures;
mod many;
mod titles;

use chrono::{DateTime, Utc};

use super::{Brief, NoticeKind};
use crate::{
    alert::{AlertStatus, Severity},
    schedule::{Zone, words::Language},
    text::is_hidden,
};

/// Longest title, in characters.
const MAX_TITLE: usize = 200;
/// Alerts that a text lists.
pub const MAX_LISTED: usize = 20;

/// Who speaks: a language, a clock, and when.
#[derive(Clone, Debug)]
pub struct Voice {
    /// The language.
    pub language: Language,
    /// Whose local times are meant.
    pub zone: Zone,
    /// When the message is made.
    pub now: DateTime<Utc>,
}

impl Voice {
    fn pick(&self, portuguese: &str, english: &str) -> String {
        match self.language {
            Language::Pt => portuguese.to_owned(),
            Language::En => english.to_owned(),
        }
    }

    /// What there is to say of an alert in one line, by its state.
    #[must_use]
    pub fn title(&self, alert: &Brief) -> String {
        one_line(&if alert.status == AlertStatus::Resolved { self.resolved(alert) } else { self.open(alert) }, MAX_TITLE)
    }

    /// The title of a message about these alerts and `more`.
    #[must_use]
    pub fn headline(&self, kind: NoticeKind, alerts: &[Brief], more: usize) -> String {
        let headline = match (kind, alerts) {
            (NoticeKind::Test, _) => self.pick("Regente: teste do canal", "Regente: test of the channel"),
            (NoticeKind::Digest, [alert]) if more == 0 => self.title(alert),
            (_, [alert]) if more == 0 => self.one(kind, alert),
            (_, alerts) => self.many(kind, alerts, more),
        };
        one_line(&headline, MAX_TITLE)
    }

    /// The text of such a message: what is known of one alert, or how many there are of each type. Links, the rule's note and the titles of several
    /// are the sender's.
    #[must_use]
    pub fn text(&self, kind: NoticeKind, alerts: &[Brief], more: usize) -> String {
        match (kind, alerts) {
            (NoticeKind::Test, _) => self.pick(
                "Este canal está configurado e recebe as mensagens do Regente.",
                "This channel is set up and receives Regente's messages.",
            ),
            (_, [alert]) if more == 0 => self.about(alert),
            (_, alerts) => self.counts(alerts, more),
        }
    }

    fn one(&self, kind: NoticeKind, alert: &Brief) -> String {
        let title = self.title(alert);
        let by = alert.by.as_deref();
        match (kind, self.language) {
            (NoticeKind::Reminded, Language::Pt) => format!("Ainda em aberto: {title}"),
            (NoticeKind::Reminded, Language::En) => format!("Still open: {title}"),
            (NoticeKind::Escalated, Language::Pt) => format!("Agora é {}: {title}", self.severity(alert.severity)),
            (NoticeKind::Escalated, Language::En) => format!("Now {}: {title}", self.severity(alert.severity)),
            (NoticeKind::Acknowledged, Language::Pt) => format!("{} assumiu: {title}", by.unwrap_or("Alguém")),
            (NoticeKind::Acknowledged, Language::En) => format!("{} is on it: {title}", by.unwrap_or("Somebody")),
            _ => title,
        }
    }

    /// The word for a severity.
    #[must_use]
    pub fn severity(&self, severity: Severity) -> String {
        match severity {
            Severity::Info => self.pick("informação", "info"),
            Severity::Warning => self.pick("aviso", "warning"),
            Severity::Error => self.pick("erro", "error"),
            Severity::Critical => self.pick("crítico", "critical"),
        }
    }
}

/// The text on one line, without control and invisible characters, cut after `most` characters.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.chars().filter(|character| !is_hidden(*character)).collect::<String>())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
pub(super) mod tests;
