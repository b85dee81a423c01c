//! One alert in one line: while it is open, and when it is over.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Brief, Voice};
use crate::{
    alert::{AlertType, Resolution, Unit},
    schedule::words::Language::{En, Pt},
};

impl Voice {
    pub(super) fn open(&self, alert: &Brief) -> String {
        let name = &alert.subject;
        match (alert.alert_type, self.language) {
            (AlertType::Late, _) => self.late(alert),
            (AlertType::Failure, _) => self.failed(alert),
            (AlertType::FailureStreak, Pt) => format!("{name} falhou {} vezes seguidas", self.number(alert.facts.measured.unwrap_or(2.0))),
            (AlertType::FailureStreak, En) => format!("{name} failed {} times in a row", self.number(alert.facts.measured.unwrap_or(2.0))),
            (AlertType::Duration, _) => self.took(alert),
            (AlertType::DurationAnomaly, _) => self.took_unusually(alert),
            (AlertType::QueueBacklog, _) => self.waits(alert),
            (AlertType::WorkerDown, Pt) => format!("O worker {name} sumiu{}", self.since(alert.facts.last_seen_at, "sem sinal desde")),
            (AlertType::WorkerDown, En) => format!("Worker {name} is gone{}", self.since(alert.facts.last_seen_at, "last seen at")),
            (AlertType::SlaForecast, _) => self.will_be_late(alert),
            (AlertType::ScheduleDead, Pt) => format!("O agendamento {name} não vai mais executar{}", colon(alert.facts.summary.as_deref())),
            (AlertType::ScheduleDead, En) => format!("Schedule {name} will not run again{}", colon(alert.facts.summary.as_deref())),
            (AlertType::Hub, Pt) => format!("Regente: {name} está parado ou atrasado{}", colon(alert.facts.summary.as_deref())),
            (AlertType::Hub, En) => format!("Regente: {name} is stalled or behind{}", colon(alert.facts.summary.as_deref())),
            (AlertType::External, _) => alert.facts.summary.clone().unwrap_or_else(|| name.clone()),
        }
    }

    pub(super) fn resolved(&self, alert: &Brief) -> String {
        let name = &alert.subject;
        match alert.resolution {
            Some(Resolution::Person) => return self.ended(alert, &self.by_whom(alert)),
            Some(Resolution::RuleChanged) => return self.ended(alert, &self.pick("a regra mudou", "the rule was changed")),
            Some(Resolution::Archived) => return self.ended(alert, &self.pick("a automação foi arquivada", "the automation was archived")),
            Some(Resolution::Superseded) => return self.ended(alert, &self.pick("já está atrasado", "it is late now")),
            Some(Resolution::Recovered) | None => {}
        }
        match (alert.alert_type, self.language) {
            (AlertType::Late, _) => self.finished(alert),
            (AlertType::SlaForecast, Pt) => format!("{name} não deve mais atrasar"),
            (AlertType::SlaForecast, En) => format!("{name} is not expected to be late any more"),
            (AlertType::Failure | AlertType::FailureStreak, Pt) => format!("{name} voltou a funcionar"),
            (AlertType::Failure | AlertType::FailureStreak, En) => format!("{name} works again"),
            (AlertType::Duration | AlertType::DurationAnomaly, Pt) => format!("A duração de {name} voltou ao normal"),
            (AlertType::Duration | AlertType::DurationAnomaly, En) => format!("The duration of {name} is normal again"),
            (AlertType::QueueBacklog, Pt) => format!("A fila {name} voltou ao normal"),
            (AlertType::QueueBacklog, En) => format!("Queue {name} is back to normal"),
            (AlertType::WorkerDown, Pt) => format!("O worker {name} voltou"),
            (AlertType::WorkerDown, En) => format!("Worker {name} is back"),
            (AlertType::ScheduleDead, Pt) => format!("O agendamento {name} voltou a executar"),
            (AlertType::ScheduleDead, En) => format!("Schedule {name} runs again"),
            (AlertType::Hub, Pt) => format!("Regente: {name} voltou ao normal"),
            (AlertType::Hub, En) => format!("Regente: {name} is back to normal"),
            (AlertType::External, _) => self.ended(alert, ""),
        }
    }

    /// `Resolvido: …` with a reason.
    fn ended(&self, alert: &Brief, why: &str) -> String {
        let word = self.pick("Resolvido", "Resolved");
        let what = alert.facts.summary.clone().filter(|_| alert.alert_type == AlertType::External);
        let what = what.unwrap_or_else(|| self.topic(alert));
        if why.is_empty() { format!("{word}: {what}") } else { format!("{word}: {what} ({why})") }
    }

    fn by_whom(&self, alert: &Brief) -> String {
        match &alert.by {
            Some(by) => format!("{} {by}", self.pick("por", "by")),
            None => String::new(),
        }
    }

    /// What it was about, without figures: what was measured is not so any more.
    fn topic(&self, alert: &Brief) -> String {
        let name = &alert.subject;
        let what = match alert.alert_type {
            AlertType::Late => self.pick("atraso", "lateness"),
            AlertType::Failure | AlertType::FailureStreak => self.pick("falhas", "failures"),
            AlertType::Duration | AlertType::DurationAnomaly => self.pick("duração", "duration"),
            AlertType::QueueBacklog => self.pick("fila", "backlog"),
            AlertType::WorkerDown => self.pick("worker fora do ar", "worker gone"),
            AlertType::SlaForecast => self.pick("previsão de atraso", "forecast of lateness"),
            AlertType::ScheduleDead => self.pick("agendamento", "schedule"),
            AlertType::Hub | AlertType::External => self.pick("alerta", "alert"),
        };
        format!("{name}, {what}")
    }

    fn late(&self, alert: &Brief) -> String {
        let name = &alert.subject;
        let Some(expected) = alert.facts.expected_at else {
            return self.pick(&format!("{name} está atrasado"), &format!("{name} is late"));
        };
        let by = self.duration(self.now - expected);
        match self.language {
            Pt => format!("{name} está atrasado: esperado {}, ainda não terminou ({by})", self.at(expected)),
            En => format!("{name} is late: expected {}, not finished yet ({by})", self.at(expected)),
        }
    }

    fn finished(&self, alert: &Brief) -> String {
        let name = &alert.subject;
        let end = alert.facts.last_success_at.filter(|at| *at >= alert.opened_at).or(alert.resolved_at);
        let (Some(expected), Some(end)) = (alert.facts.expected_at, end) else {
            return self.pick(&format!("{name} está em dia"), &format!("{name} is on time again"));
        };
        let late = (end > expected).then(|| self.duration(end - expected));
        match (self.language, late) {
            (Pt, Some(late)) => format!("{name} terminou {}, com {late} de atraso", self.at(end)),
            (En, Some(late)) => format!("{name} finished {}, {late} late", self.at(end)),
            (Pt, None) => format!("{name} está em dia"),
            (En, None) => format!("{name} is on time"),
        }
    }

    fn failed(&self, alert: &Brief) -> String {
        let (name, facts) = (&alert.subject, &alert.facts);
        if let (Some(measured), Some(Unit::Percent)) = (facts.measured, facts.unit) {
            let limit = facts
                .limit
                .map(|limit| self.pick(&format!(" (limite {}%)", self.number(limit)), &format!(" (limit {}%)", self.number(limit))));
            let (rate, limit) = (self.number(measured), limit.unwrap_or_default());
            return match self.language {
                Pt => format!("{rate}% das execuções de {name} falharam{limit}"),
                En => format!("{rate}% of the runs of {name} failed{limit}"),
            };
        }
        let why = facts.error_message.as_deref().or(facts.error_class.as_deref());
        self.pick(&format!("{name} falhou{}", colon(why)), &format!("{name} failed{}", colon(why)))
    }

    fn took(&self, alert: &Brief) -> String {
        let (name, facts) = (&alert.subject, &alert.facts);
        let (Some(measured), Some(limit)) = (facts.measured, facts.limit) else {
            return self.pick(&format!("A duração de {name} está fora do esperado"), &format!("The duration of {name} is not as expected"));
        };
        let (is_long, measured, limit) = (measured >= limit, self.seconds(measured), self.seconds(limit));
        match (self.language, is_long) {
            (Pt, true) => format!("{name} está demorando demais: {measured}, no máximo {limit}"),
            (En, true) => format!("{name} takes too long: {measured}, at most {limit}"),
            (Pt, false) => format!("{name} terminou rápido demais: {measured}, no mínimo {limit}"),
            (En, false) => format!("{name} finished suspiciously fast: {measured}, at least {limit}"),
        }
    }

    fn took_unusually(&self, alert: &Brief) -> String {
        let (name, facts) = (&alert.subject, &alert.facts);
        let (Some(measured), Some(limit)) = (facts.measured, facts.limit) else {
            return self.pick(&format!("{name} teve uma duração fora do comum"), &format!("{name} had an unusual duration"));
        };
        let (is_long, measured, limit) = (measured >= limit, self.seconds(measured), self.seconds(limit));
        match (self.language, is_long) {
            (Pt, true) => format!("{name} demorou mais que de costume: {measured}, o normal é até {limit}"),
            (En, true) => format!("{name} took longer than usual: {measured}, normally up to {limit}"),
            (Pt, false) => format!("{name} terminou antes do que de costume: {measured}, o normal é a partir de {limit}"),
            (En, false) => format!("{name} finished sooner than usual: {measured}, normally from {limit}"),
        }
    }

    fn waits(&self, alert: &Brief) -> String {
        let (name, facts) = (&alert.subject, &alert.facts);
        let Some(measured) = facts.measured else {
            return self.pick(&format!("A fila {name} está acumulando"), &format!("Queue {name} is building up"));
        };
        let is_age = facts.unit == Some(Unit::Seconds);
        let figure = |figure: f64| if is_age { self.seconds(figure) } else { self.number(figure) };
        let limit = facts.limit.map(|limit| format!(" ({} {})", self.pick("limite", "limit"), figure(limit))).unwrap_or_default();
        let measured = figure(measured);
        match (self.language, is_age) {
            (Pt, true) => format!("Fila {name}: um job espera há {measured}{limit}"),
            (En, true) => format!("Queue {name}: a job has waited for {measured}{limit}"),
            (Pt, false) => format!("Fila {name}: {measured} jobs esperando{limit}"),
            (En, false) => format!("Queue {name}: {measured} jobs waiting{limit}"),
        }
    }

    fn will_be_late(&self, alert: &Brief) -> String {
        let (name, facts) = (&alert.subject, &alert.facts);
        let (Some(expected), Some(predicted)) = (facts.expected_at, facts.predicted_at) else {
            return self.pick(&format!("{name} provavelmente vai atrasar"), &format!("{name} will probably be late"));
        };
        let sure = facts.certainty.map(|sure| format!("{}%", self.number((sure * 100.0).round())));
        let by = self.duration(round(predicted - expected));
        match self.language {
            Pt => {
                let sure = sure.map(|sure| format!(", {sure} de certeza")).unwrap_or_default();
                format!(
                    "{name} provavelmente vai atrasar: esperado {}, previsto para {} (cerca de {by}{sure})",
                    self.at(expected),
                    self.time(predicted)
                )
            }
            En => {
                let sure = sure.map(|sure| format!(", {sure} sure")).unwrap_or_default();
                format!(
                    "{name} will probably be late: expected {}, predicted for {} (about {by}{sure})",
                    self.at(expected),
                    self.time(predicted)
                )
            }
        }
    }

    /// `: last seen at 14:02 (20 min)`.
    fn since(&self, at: Option<DateTime<Utc>>, words: &str) -> String {
        at.map(|at| format!(": {words} {} ({})", self.time(at), self.duration(self.now - at))).unwrap_or_default()
    }
}

/// A forecast is not exact to the second: whole minutes, at least one.
fn round(length: TimeDelta) -> TimeDelta {
    TimeDelta::minutes(((length.num_seconds() + 30) / 60).max(1))
}

fn colon(text: Option<&str>) -> String {
    text.map(str::trim).filter(|text| !text.is_empty()).map(|text| format!(": {text}")).unwrap_or_default()
}
