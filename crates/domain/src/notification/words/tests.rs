use std::fmt::Write as _;

use chrono::TimeDelta;
use uuid::Uuid;

use super::*;
use crate::{
    alert::{AlertSource, AlertType, Facts, Resolution, Unit},
    ids::AutomationId,
    schedule::Zones,
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(in super::super) fn voice(language: Language) -> Voice {
    Voice { language, zone: Zones::bundled().get("America/Sao_Paulo").unwrap(), now: at("2026-11-27T17:50:00Z") }
}

pub(in super::super) fn brief(alert_type: AlertType, facts: Facts) -> Brief {
    Brief {
        id: Uuid::from_u128(1).into(),
        key: "k".to_owned(),
        alert_type,
        severity: Severity::Error,
        status: AlertStatus::Open,
        source: AlertSource::Regente,
        title: String::new(),
        subject: "Faturamento".to_owned(),
        automation_id: Some(AutomationId::new(7)),
        domain: Some("Fiscal".to_owned()),
        labels: Vec::new(),
        rule: Some("Faturamento diário".to_owned()),
        opened_at: at("2026-11-27T17:30:00Z"),
        resolved_at: None,
        resolution: None,
        by: None,
        count: 1,
        facts,
        note: String::new(),
        url: None,
        job_urls: Vec::new(),
    }
}

fn measured(measured: f64, limit: f64, unit: Unit) -> Facts {
    Facts { measured: Some(measured), limit: Some(limit), unit: Some(unit), ..Facts::default() }
}

/// One of each.
fn each() -> Vec<Brief> {
    let expected = Some(at("2026-11-27T17:30:00Z"));
    let error = Facts { error_class: Some("SYSTEM".to_owned()), error_message: Some("SAP não respondeu".to_owned()), ..Facts::default() };
    let seen = Facts { last_seen_at: Some(at("2026-11-27T17:02:00Z")), ..Facts::default() };
    let forecast =
        Facts { predicted_at: Some(at("2026-11-27T17:51:20Z")), certainty: Some(0.853), expected_at: expected, ..Facts::default() };
    let said = |text: &str| Facts { summary: Some(text.to_owned()), ..Facts::default() };
    vec![
        brief(AlertType::Late, Facts { expected_at: expected, ..Facts::default() }),
        brief(AlertType::Failure, error),
        brief(AlertType::Failure, measured(37.5, 20.0, Unit::Percent)),
        brief(AlertType::FailureStreak, measured(5.0, 3.0, Unit::Jobs)),
        brief(AlertType::Duration, measured(4200.0, 3600.0, Unit::Seconds)),
        brief(AlertType::Duration, measured(3.2, 60.0, Unit::Seconds)),
        brief(AlertType::DurationAnomaly, measured(3000.0, 720.0, Unit::Seconds)),
        brief(AlertType::QueueBacklog, measured(1200.0, 1000.0, Unit::Jobs)),
        brief(AlertType::QueueBacklog, measured(7200.0, 1800.0, Unit::Seconds)),
        brief(AlertType::WorkerDown, seen),
        brief(AlertType::SlaForecast, forecast),
        brief(AlertType::ScheduleDead, said("a data já passou")),
        brief(AlertType::Hub, said("nenhuma execução há 5 min")),
        brief(AlertType::External, said("Disco cheio em db-1")),
    ]
}

fn titles(language: Language, change: impl Fn(Brief) -> Brief) -> String {
    let voice = voice(language);
    each().into_iter().map(change).fold(String::new(), |mut all, alert| {
        let _ = writeln!(all, "{}", voice.title(&alert));
        all
    })
}

fn over(alert: Brief) -> Brief {
    Brief { status: AlertStatus::Resolved, resolved_at: Some(at("2026-11-27T17:52:00Z")), resolution: Some(Resolution::Recovered), ..alert }
}

#[test]
fn each_type_is_told_as_people_say_it_in_portuguese() {
    let expected = "\
Faturamento está atrasado: esperado às 14:30, ainda não terminou (20 min)
Faturamento falhou: SAP não respondeu
37,5% das execuções de Faturamento falharam (limite 20%)
Faturamento falhou 5 vezes seguidas
Faturamento está demorando demais: 1 h 10 min, no máximo 1 h
Faturamento terminou rápido demais: 3,2 s, no mínimo 60 s
Faturamento demorou mais que de costume: 50 min, o normal é até 12 min
Fila Faturamento: 1.200 jobs esperando (limite 1.000)
Fila Faturamento: um job espera há 2 h (limite 30 min)
O worker Faturamento sumiu: sem sinal desde 14:02 (48 min)
Faturamento provavelmente vai atrasar: esperado às 14:30, previsto para 14:51 (cerca de 21 min, 85% de certeza)
O agendamento Faturamento não vai mais executar: a data já passou
Regente: Faturamento está parado ou atrasado: nenhuma execução há 5 min
Disco cheio em db-1
";
    assert_eq!(titles(Language::Pt, |alert| alert), expected);
    let expected = "\
Faturamento terminou às 14:52, com 22 min de atraso
Faturamento voltou a funcionar
Faturamento voltou a funcionar
Faturamento voltou a funcionar
A duração de Faturamento voltou ao normal
A duração de Faturamento voltou ao normal
A duração de Faturamento voltou ao normal
A fila Faturamento voltou ao normal
A fila Faturamento voltou ao normal
O worker Faturamento voltou
Faturamento não deve mais atrasar
O agendamento Faturamento voltou a executar
Regente: Faturamento voltou ao normal
Resolvido: Disco cheio em db-1
";
    assert_eq!(titles(Language::Pt, over), expected);
}

#[test]
fn each_type_is_told_as_people_say_it_in_english() {
    let expected = "\
Faturamento is late: expected at 14:30, not finished yet (20 min)
Faturamento failed: SAP não respondeu
37.5% of the runs of Faturamento failed (limit 20%)
Faturamento failed 5 times in a row
Faturamento takes too long: 1 h 10 min, at most 1 h
Faturamento finished suspiciously fast: 3.2 s, at least 60 s
Faturamento took longer than usual: 50 min, normally up to 12 min
Queue Faturamento: 1,200 jobs waiting (limit 1,000)
Queue Faturamento: a job has waited for 2 h (limit 30 min)
Worker Faturamento is gone: last seen at 14:02 (48 min)
Faturamento will probably be late: expected at 14:30, predicted for 14:51 (about 21 min, 85% sure)
Schedule Faturamento will not run again: a data já passou
Regente: Faturamento is stalled or behind: nenhuma execução há 5 min
Disco cheio em db-1
";
    assert_eq!(titles(Language::En, |alert| alert), expected);
}

#[test]
fn who_ended_it_and_why_is_told() {
    let late = || over(each().remove(0));
    let by = Brief { resolution: Some(Resolution::Person), by: Some("Ana".to_owned()), ..late() };
    assert_eq!(voice(Language::Pt).title(&by), "Resolvido: Faturamento, atraso (por Ana)");
    let changed = Brief { resolution: Some(Resolution::RuleChanged), ..late() };
    assert_eq!(voice(Language::En).title(&changed), "Resolved: Faturamento, lateness (the rule was changed)");
    let forecast = || over(each().into_iter().find(|alert| alert.alert_type == AlertType::SlaForecast).unwrap());
    assert_eq!(voice(Language::En).title(&forecast()), "Faturamento is not expected to be late any more");
    let superseded = Brief { resolution: Some(Resolution::Superseded), ..forecast() };
    assert_eq!(voice(Language::En).title(&superseded), "Resolved: Faturamento, forecast of lateness (it is late now)");
    assert_eq!(voice(Language::Pt).title(&superseded), "Resolvido: Faturamento, previsão de atraso (já está atrasado)");
}

#[test]
fn each_kind_of_notice_has_its_headline() {
    let late = || each().remove(0);
    let (pt, en) = (voice(Language::Pt), voice(Language::En));
    let taken = Brief { by: Some("Ana".to_owned()), status: AlertStatus::Acknowledged, ..late() };
    let critical = Brief { severity: Severity::Critical, ..late() };
    let title = "Faturamento está atrasado: esperado às 14:30, ainda não terminou (20 min)";
    assert_eq!(pt.headline(NoticeKind::Opened, &[late()], 0), title);
    assert_eq!(pt.headline(NoticeKind::Digest, &[late()], 0), title);
    assert_eq!(pt.headline(NoticeKind::Reminded, &[late()], 0), format!("Ainda em aberto: {title}"));
    assert_eq!(pt.headline(NoticeKind::Escalated, &[critical], 0), format!("Agora é crítico: {title}"));
    assert_eq!(pt.headline(NoticeKind::Acknowledged, &[taken], 0), format!("Ana assumiu: {title}"));
    assert_eq!(en.headline(NoticeKind::Test, &[], 0), "Regente: test of the channel");
}

#[test]
fn several_alerts_are_one_headline_that_names_their_cause() {
    let (pt, en) = (voice(Language::Pt), voice(Language::En));
    let late = |count: usize| (0..count).map(|_| each().remove(0)).collect::<Vec<_>>();
    let worker = Brief { subject: "robo-01".to_owned(), ..brief(AlertType::WorkerDown, Facts::default()) };
    let caused: Vec<_> = late(12).into_iter().chain([worker]).collect();
    assert_eq!(pt.headline(NoticeKind::Opened, &caused, 0), "12 automações atrasadas porque o worker robo-01 sumiu");
    assert_eq!(en.headline(NoticeKind::Opened, &caused, 0), "12 automations late because worker robo-01 is gone");
    assert_eq!(pt.headline(NoticeKind::Opened, &late(3), 2), "5 automações atrasadas");
    assert_eq!(pt.headline(NoticeKind::Opened, &each(), 0), "14 alertas");
    assert_eq!(en.headline(NoticeKind::Reminded, &late(2), 0), "Still open: 2 automations late");
    let mixed: Vec<_> = late(2).into_iter().chain([over(each().remove(1))]).collect();
    assert_eq!(pt.headline(NoticeKind::Digest, &mixed, 0), "Resumo: 3 alertas, 2 em aberto");
    assert_eq!(en.headline(NoticeKind::Resolved, &mixed, 0), "3 alerts resolved");
}

#[test]
fn the_text_of_one_alert_has_its_figures() {
    let facts =
        Facts { last_success_at: Some(at("2026-11-26T17:12:00Z")), expected_at: Some(at("2026-11-27T17:30:00Z")), ..Facts::default() };
    let alert = Brief { note: "1. Veja o SAP\n2. Rode de novo".to_owned(), count: 3, ..brief(AlertType::Late, facts) };
    let expected = "\
- Gravidade: erro
- Domínio: Fiscal
- Regra: Faturamento diário
- Em aberto desde: 14:30 (UTC-3)
- Último sucesso: 14:12 de 26/11
- Ocorrências: 3×";
    assert_eq!(voice(Language::Pt).text(NoticeKind::Opened, &[alert], 0), expected);
}

#[test]
fn figures_name_how_far_their_times_are_from_utc() {
    let mut ended = over(each().remove(0));
    ended.opened_at = at("2026-11-27T17:40:00Z");
    for (zone, expected) in [
        ("America/Sao_Paulo", "Lasted: 12 min (14:40 – 14:52, UTC-3)"),
        ("Asia/Kolkata", "Lasted: 12 min (23:10 – 23:22, UTC+5:30)"),
        ("America/St_Johns", "Lasted: 12 min (14:10 – 14:22, UTC-3:30)"),
        ("Etc/UTC", "Lasted: 12 min (17:40 – 17:52, UTC)"),
    ] {
        let voice = Voice { zone: Zones::bundled().get(zone).unwrap(), ..voice(Language::En) };
        let text = voice.text(NoticeKind::Resolved, std::slice::from_ref(&ended), 0);
        assert!(text.contains(expected), "{zone}: {text}");
    }
}

#[test]
fn the_text_of_several_counts_them_by_type() {
    let alerts = [over(each().remove(1)), each().remove(0), each().remove(0), each().remove(9)];
    let expected = "\
- 2 automations late
- 1 worker gone
- 1 resolved
- and 7 more";
    assert_eq!(voice(Language::En).text(NoticeKind::Digest, &alerts, 7), expected);
    assert_eq!(voice(Language::En).text(NoticeKind::Opened, &alerts[1..3], 0), "", "the title says it");
}

#[test]
fn times_and_durations_are_as_exact_as_one_would_say() {
    let (pt, en) = (voice(Language::Pt), voice(Language::En));
    for (seconds, expected) in [
        (-5, "0 s"),
        (59, "59 s"),
        (90, "90 s"),
        (100, "2 min"),
        (1199, "20 min"),
        (3569, "59 min"),
        (3570, "1 h"),
        (7500, "2 h 5 min"),
        (86_369, "23 h 59 min"),
        (86_400, "1 d"),
        (273_600, "3 d 4 h"),
    ] {
        assert_eq!(pt.duration(TimeDelta::seconds(seconds)), expected);
    }
    assert_eq!(
        (pt.time(at("2026-11-26T17:30:00Z")), en.time(at("2026-11-26T17:30:00Z"))),
        ("14:30 de 26/11".to_owned(), "14:30 on 26 Nov".to_owned())
    );
    assert_eq!(
        (pt.time(at("2025-11-26T17:30:00Z")), en.time(at("2025-11-26T17:30:00Z"))),
        ("14:30 de 26/11/2025".to_owned(), "14:30 on 26 Nov 2025".to_owned())
    );
    assert_eq!(pt.at(at("2026-11-27T04:15:00Z")), "à 01:15");
    assert_eq!(
        (pt.number(1_234_567.0), en.number(0.5), pt.number(-1234.56)),
        ("1.234.567".to_owned(), "0.5".to_owned(), "-1.234,6".to_owned())
    );
}

#[test]
fn a_title_is_one_short_line_whatever_a_name_contains() {
    let evil = Brief { subject: format!("Faturamento\r\nBcc: x@evil.test\u{202e}{}", "x".repeat(5000)), ..each().remove(0) };
    for language in [Language::Pt, Language::En] {
        let title = voice(language).title(&evil);
        assert!(title.chars().count() <= 200 && !title.chars().any(is_hidden), "{title}");
        assert!(title.starts_with("Faturamento Bcc: x@evil.test"), "{title}");
    }
    assert_eq!(one_line("a\u{200b} \u{200b} b", 10), "a b");
}
