//! Several alerts in one message.

use std::collections::{BTreeMap, BTreeSet};

use super::{Brief, NoticeKind, Voice};
use crate::{
    alert::{AlertStatus, AlertType},
    schedule::words::Language::{self, En, Pt},
};

impl Voice {
    /// `12 automações atrasadas porque o worker X sumiu`.
    pub(super) fn many(&self, kind: NoticeKind, alerts: &[Brief], more: usize) -> String {
        let all = alerts.len() + more;
        let number = |count: usize| self.number(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        if kind == NoticeKind::Digest {
            let open = alerts.iter().filter(|alert| alert.status != AlertStatus::Resolved).count() + more;
            return match self.language {
                Pt => format!("Resumo: {} alertas, {} em aberto", number(all), number(open)),
                En => format!("Digest: {} alerts, {} open", number(all), number(open)),
            };
        }
        if kind == NoticeKind::Resolved {
            return self.pick(&format!("{} alertas resolvidos", number(all)), &format!("{} alerts resolved", number(all)));
        }
        let worker = alerts.iter().find(|alert| alert.alert_type == AlertType::WorkerDown);
        let others: Vec<&Brief> = alerts.iter().filter(|alert| alert.alert_type != AlertType::WorkerDown).collect();
        let what = match (worker, others.is_empty()) {
            (Some(worker), false)
                if alerts.len() - others.len() == 1 && others.iter().all(|alert| alert.alert_type.may_follow_from_worker()) =>
            {
                let cause = match self.language {
                    Pt => format!(" porque o worker {} sumiu", worker.subject),
                    En => format!(" because worker {} is gone", worker.subject),
                };
                format!("{}{cause}", self.counted(&number(others.len() + more), others.len() + more, &others))
            }
            _ => self.counted(&number(all), all, &alerts.iter().collect::<Vec<_>>()),
        };
        match (kind, self.language) {
            (NoticeKind::Reminded, Pt) => format!("Ainda em aberto: {what}"),
            (NoticeKind::Reminded, En) => format!("Still open: {what}"),
            (NoticeKind::Escalated, Pt) => format!("Mais grave: {what}"),
            (NoticeKind::Escalated, En) => format!("Escalated: {what}"),
            (NoticeKind::Acknowledged, Pt) => format!("Em tratamento: {what}"),
            (NoticeKind::Acknowledged, En) => format!("Being worked on: {what}"),
            _ => what,
        }
    }

    /// `12 automações atrasadas`: by their type, if they have one.
    fn counted(&self, number: &str, count: usize, alerts: &[&Brief]) -> String {
        let types: BTreeSet<AlertType> = alerts.iter().map(|alert| alert.alert_type).collect();
        let only = types.first().filter(|_| types.len() == 1);
        format!("{number} {}", noun(self.language, only.copied(), count == 1))
    }

    /// How many of each type there are, if there are several types, and how many are over.
    pub(super) fn counts(&self, alerts: &[Brief], more: usize) -> String {
        let mut counts: BTreeMap<AlertType, Vec<&Brief>> = BTreeMap::new();
        let (over, open): (Vec<&Brief>, Vec<&Brief>) = alerts.iter().partition(|alert| alert.status == AlertStatus::Resolved);
        for alert in open {
            counts.entry(alert.alert_type).or_default().push(alert);
        }
        let number = |count: usize| self.number(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        let mut lines: Vec<String> = counts.values().map(|of| self.counted(&number(of.len()), of.len(), of)).collect();
        if !over.is_empty() {
            let is_one = over.len() == 1;
            let word = if is_one { self.pick("resolvido", "resolved") } else { self.pick("resolvidos", "resolved") };
            lines.push(format!("{} {word}", number(over.len())));
        }
        if more > 0 {
            lines.push(self.and_more(more));
        }
        if lines.len() < 2 { String::new() } else { lines.iter().map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n") }
    }

    /// `e mais 5`.
    #[must_use]
    pub fn and_more(&self, count: usize) -> String {
        match self.language {
            Pt => format!("e mais {count}"),
            En => format!("and {count} more"),
        }
    }

    /// Heading of the rule's note.
    #[must_use]
    pub fn what_to_do(&self) -> String {
        self.pick("O que fazer:", "What to do:")
    }
}

fn noun(language: Language, of: Option<AlertType>, is_one: bool) -> &'static str {
    use AlertType::{
        Duration, DurationAnomaly, External, Failure, FailureStreak, Hub, Late, QueueBacklog, ScheduleDead, SlaForecast, WorkerDown,
    };
    match (language, of, is_one) {
        (Pt, Some(Late), true) => "automação atrasada",
        (Pt, Some(Late), false) => "automações atrasadas",
        (En, Some(Late), true) => "automation late",
        (En, Some(Late), false) => "automations late",
        (Pt, Some(Failure), true) => "automação falhou",
        (Pt, Some(Failure), false) => "automações falharam",
        (En, Some(Failure), true) => "automation failed",
        (En, Some(Failure), false) => "automations failed",
        (Pt, Some(FailureStreak), true) => "automação falha repetidamente",
        (Pt, Some(FailureStreak), false) => "automações falham repetidamente",
        (En, Some(FailureStreak), true) => "automation keeps failing",
        (En, Some(FailureStreak), false) => "automations keep failing",
        (Pt, Some(Duration | DurationAnomaly), true) => "automação com duração fora do esperado",
        (Pt, Some(Duration | DurationAnomaly), false) => "automações com duração fora do esperado",
        (En, Some(Duration | DurationAnomaly), true) => "automation with an unexpected duration",
        (En, Some(Duration | DurationAnomaly), false) => "automations with unexpected durations",
        (Pt, Some(QueueBacklog), true) => "fila acumulada",
        (Pt, Some(QueueBacklog), false) => "filas acumuladas",
        (En, Some(QueueBacklog), true) => "queue backed up",
        (En, Some(QueueBacklog), false) => "queues backed up",
        (Pt, Some(WorkerDown), true) => "worker sumiu",
        (Pt, Some(WorkerDown), false) => "workers sumiram",
        (En, Some(WorkerDown), true) => "worker gone",
        (En, Some(WorkerDown), false) => "workers gone",
        (Pt, Some(SlaForecast), true) => "automação provavelmente vai atrasar",
        (Pt, Some(SlaForecast), false) => "automações provavelmente vão atrasar",
        (En, Some(SlaForecast), true) => "automation will probably be late",
        (En, Some(SlaForecast), false) => "automations will probably be late",
        (Pt, Some(ScheduleDead), true) => "agendamento parado",
        (Pt, Some(ScheduleDead), false) => "agendamentos parados",
        (En, Some(ScheduleDead), true) => "schedule dead",
        (En, Some(ScheduleDead), false) => "schedules dead",
        (Pt, Some(Hub), true) => "parte do Regente com problema",
        (Pt, Some(Hub), false) => "partes do Regente com problema",
        (En, Some(Hub), true) => "part of Regente stalled",
        (En, Some(Hub), false) => "parts of Regente stalled",
        (Pt, Some(External), true) => "alerta do Prometheus",
        (Pt, Some(External), false) => "alertas do Prometheus",
        (En, Some(External), true) => "alert of Prometheus",
        (En, Some(External), false) => "alerts of Prometheus",
        (Pt, None, true) => "alerta",
        (Pt, None, false) => "alertas",
        (En, None, true) => "alert",
        (En, None, false) => "alerts",
    }
}
