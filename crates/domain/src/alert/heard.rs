//! Alerts of Prometheus, as its Alertmanager tells them.
//!
//! What must hold: an alert is the same by its fingerprint; nothing of a label or an annotation is trusted: lengths are cut, and only addresses of
//! the web become links.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{AlertSource, AlertType, Facts, Key, Observation, Seen, Severity, Subject, Terms};
use crate::{ids::AutomationId, text::is_hidden, wire::wire_names};

/// Labels that are kept of an alert.
const LABELS: usize = 64;
/// Characters of a label, and of a line.
const SHORT: usize = 500;
/// Characters of a text.
const LONG: usize = 4000;
/// Characters of an address.
const ADDRESS: usize = 2000;

wire_names! {
    /// Whether an alert of Alertmanager burns.
    pub enum Firing as "AlertmanagerStatus" {
        /// It does.
        Firing = "firing",
        /// It is over.
        Resolved = "resolved",
    }
    default Firing;
}

/// An alert of Alertmanager.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// Whether it burns.
    pub status: Firing,
    /// What identifies its labels.
    pub fingerprint: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// When it began.
    pub starts_at: DateTime<Utc>,
    /// When it was over.
    pub ends_at: Option<DateTime<Utc>>,
    /// Where Prometheus shows its expression.
    pub url: String,
}

impl Heard {
    /// Whether the fingerprint can be one.
    #[must_use]
    pub fn has_fingerprint(&self) -> bool {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        (1..=128).contains(&self.fingerprint.len()) && self.fingerprint.bytes().all(is_fine)
    }

    /// The automation that it names, by name or id.
    #[must_use]
    pub fn automation(&self) -> Option<&str> {
        let named = |label: &str| self.labels.get(label).map(|name| name.trim()).filter(|name| !name.is_empty());
        named("automation").or_else(|| named("robo_nome"))
    }

    /// What it says, of this automation.
    #[must_use]
    pub fn observation(&self, automation_id: Option<AutomationId>, now: DateTime<Utc>) -> Observation {
        let fingerprint = Subject::External(self.fingerprint.clone());
        let key = Key { rule_id: None, alert_type: AlertType::External, subject: fingerprint };
        let (seen, at) = match self.status {
            Firing::Firing => (Seen::Breach(Box::new(self.facts())), self.starts_at),
            // What burns has no end, or one at the beginning of time.
            Firing::Resolved => (Seen::Fine, self.ends_at.filter(|end| *end >= self.starts_at).unwrap_or(now)),
        };
        let note = self.annotation("runbook_url").and_then(address).map(|url| format!("[Runbook]({url})")).unwrap_or_default();
        let terms = Terms { severity: severity(self.labels.get("severity").map_or("", String::as_str)), note, ..Terms::default() };
        Observation { key, automation_id, source: AlertSource::Prometheus, terms, seen, at }
    }

    fn facts(&self) -> Facts {
        let name = self.labels.get("alertname").map(String::as_str);
        let labels = self.labels.iter().take(LABELS).map(|(name, value)| (cut(name, SHORT), cut(value, SHORT)));
        Facts {
            summary: self.annotation("summary").or(name).map(|text| cut(text, SHORT)),
            description: self.annotation("description").map(|text| text.chars().filter(|c| *c != '\0').take(LONG).collect()),
            labels: labels.collect(),
            url: address(&self.url),
            ..Facts::default()
        }
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }
}

/// The severity that the label means; the usual words of Prometheus' rules.
#[must_use]
pub fn severity(label: &str) -> Severity {
    match label.trim().to_ascii_lowercase().as_str() {
        "critical" | "page" | "fatal" | "emergency" | "disaster" => Severity::Critical,
        "warning" | "warn" | "minor" | "average" | "ticket" => Severity::Warning,
        "info" | "information" | "informational" | "none" | "low" | "debug" => Severity::Info,
        _ => Severity::Error,
    }
}

/// A line without characters that nobody sees.
fn cut(text: &str, most: usize) -> String {
    text.chars().filter(|character| !is_hidden(*character)).take(most).collect()
}

/// An address that may become a link.
fn address(text: &str) -> Option<String> {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    let is_plain = |character: char| !(character.is_whitespace() || is_hidden(character) || "()<>[]\"'`\\".contains(character));
    (is_web && text.len() <= ADDRESS && text.chars().all(is_plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn heard(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Heard {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Heard { labels: map(labels), annotations: map(annotations), fingerprint: "c8ce".to_owned(), ..Heard::default() }
    }

    fn facts(observation: &Observation) -> &Facts {
        let Seen::Breach(facts) = &observation.seen else { panic!("{observation:?}") };
        facts
    }

    #[test]
    fn what_burns_is_a_breach_since_it_began_and_what_is_over_is_fine() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(9);
        let burning = Heard { starts_at: now - TimeDelta::hours(1), ..heard(&[("severity", "page"), ("alertname", "Disk")], &[]) };
        let seen = burning.observation(None, now);
        assert_eq!((seen.at, seen.terms.severity, seen.source), (burning.starts_at, Severity::Critical, AlertSource::Prometheus));
        assert_eq!((seen.key.to_string().as_str(), facts(&seen).summary.as_deref()), ("EXTERNAL/external:c8ce", Some("Disk")));
        let over = Heard { status: Firing::Resolved, ends_at: Some(now - TimeDelta::minutes(1)), ..burning.clone() };
        assert_eq!((over.observation(None, now).seen, over.observation(None, now).at), (Seen::Fine, now - TimeDelta::minutes(1)));
        let endless = Heard { status: Firing::Resolved, ends_at: Some(DateTime::UNIX_EPOCH), ..burning };
        assert_eq!(endless.observation(None, now).at, now);
    }

    #[test]
    fn the_automation_is_named_by_either_label() {
        for (labels, expected) in [
            (vec![("automation", " Download ")], Some("Download")),
            (vec![("robo_nome", "nfe"), ("automation", "7")], Some("7")),
            (vec![("robo_nome", "nfe"), ("automation", "")], Some("nfe")),
            (vec![], None),
        ] {
            assert_eq!(heard(&labels, &[]).automation(), expected, "{labels:?}");
        }
    }

    #[test]
    fn severities_are_the_usual_words() {
        for (label, expected) in [
            ("Critical", Severity::Critical),
            ("warning", Severity::Warning),
            ("none", Severity::Info),
            ("", Severity::Error),
            ("p1", Severity::Error),
        ] {
            assert_eq!(severity(label), expected, "{label}");
        }
    }

    #[test]
    fn texts_are_cut_and_only_addresses_of_the_web_become_links() {
        let long = "x".repeat(9000);
        let texts = [("summary", long.as_str()), ("description", long.as_str()), ("runbook_url", "https://wiki/disk?a=1")];
        let mut all = heard(&[("alertname", "a\r\nBcc: x\u{202e}")], &texts);
        all.labels.extend((0..100).map(|nth| (format!("z{nth:03}"), long.clone())));
        let seen = all.observation(None, Utc::now());
        let facts = facts(&seen);
        assert_eq!((facts.labels.len(), facts.labels["alertname"].as_str(), facts.labels["z000"].len()), (LABELS, "aBcc: x", SHORT));
        assert_eq!((facts.summary.as_ref().unwrap().len(), facts.description.as_ref().unwrap().len()), (SHORT, LONG));
        assert_eq!(seen.terms.note, "[Runbook](https://wiki/disk?a=1)");
        for bad in ["javascript:alert(1)", "https://x/a)b", "ftp://x", "https://x/ y", "", &format!("https://x/{long}")] {
            let seen = Heard { url: (*bad).to_owned(), ..heard(&[], &[("runbook_url", bad)]) }.observation(None, Utc::now());
            assert_eq!((self::facts(&seen).url.as_ref(), seen.terms.note.as_str()), (None, ""), "{bad}");
        }
    }

    #[test]
    fn a_fingerprint_is_a_short_word() {
        for (fingerprint, is_fine) in [("c8ce6b7e4a1f0d93", true), ("", false), ("a b", false), ("a/b", false), (&*"x".repeat(129), false)]
        {
            assert_eq!(Heard { fingerprint: fingerprint.to_owned(), ..Heard::default() }.has_fingerprint(), is_fine, "{fingerprint}");
        }
    }
}
