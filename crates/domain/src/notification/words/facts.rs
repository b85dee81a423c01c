//! What is known of one alert: a list of figures.

use super::{Brief, Voice, one_line};
use crate::alert::AlertStatus;

/// Longest error or summary, in characters.
const MAX_LINE: usize = 500;

impl Voice {
    /// Names and values of what is known of an alert and is not in its title, for a list or a table.
    #[must_use]
    pub fn facts(&self, alert: &Brief) -> Vec<(String, String)> {
        let facts = &alert.facts;
        let mut rows = vec![(self.pick("Gravidade", "Severity"), self.severity(alert.severity))];
        let mut add = |portuguese: &str, english: &str, value: Option<String>| {
            rows.extend(value.filter(|value| !value.is_empty()).map(|value| (self.pick(portuguese, english), one_line(&value, MAX_LINE))));
        };
        add("Domínio", "Domain", alert.domain.clone());
        add("Regra", "Rule", alert.rule.clone());
        add("Em aberto desde", "Open since", (alert.status != AlertStatus::Resolved).then(|| self.zoned(alert.opened_at)));
        add("Durou", "Lasted", alert.resolved_at.map(|end| self.span(alert.opened_at, end)));
        add("Último sucesso", "Last success", facts.last_success_at.map(|at| self.time(at)));
        add("Último sinal", "Last seen", facts.last_seen_at.map(|at| self.time(at)));
        let error = match (&facts.error_class, &facts.error_message) {
            (Some(class), Some(message)) => Some(format!("{class}: {message}")),
            (class, message) => class.clone().or_else(|| message.clone()),
        };
        add("Erro", "Error", error);
        add("Detalhe", "Detail", facts.summary.clone());
        add("Ocorrências", "Seen", (alert.count > 1).then(|| format!("{}×", alert.count)));
        let who = alert.by.clone().filter(|_| alert.status == AlertStatus::Acknowledged);
        add("Responsável", "Acknowledged by", who);
        let labels: Vec<String> = facts.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        add("Rótulos", "Labels", Some(labels.join(", ")));
        rows
    }

    pub(super) fn about(&self, alert: &Brief) -> String {
        let facts: Vec<String> = self.facts(alert).into_iter().map(|(name, value)| format!("- {name}: {value}")).collect();
        facts.join("\n")
    }
}
