//! The same incidents for every channel, and two reports.

use std::collections::BTreeMap;

use api_types::{ActivityReport, AutomationActivity, FailureActivity, RunCounts, SlowAutomation};
use chrono::{DateTime, Utc};
use domain::{
    alert::{AlertStatus, AlertType, Facts, Resolution, Severity, Unit},
    ids::{AlertId, JobId, NotificationId},
    notification::{Brief, Message, NoticeKind, words::Voice},
    report::Period,
    schedule::{Zones, words::Language},
};
use uuid::Uuid;

use crate::{
    notifications::{Draft, compose},
    reports::plans::report_message,
    senders::testing::alert,
};

const HUB: &str = "https://regente.example.com";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn voice(language: Language, now: &str) -> Voice {
    let zone = match language {
        Language::Pt => "America/Sao_Paulo",
        Language::En => "America/New_York",
    };
    Voice { language, zone: Zones::bundled().get(zone).unwrap(), now: at(now) }
}

/// An id as the hub makes them, of no alert or job.
fn id(nth: u128) -> Uuid {
    Uuid::from_u128(0x019a_c5d1_7e00_7000_8000_0000_0000_0000 + nth)
}

fn message(kind: NoticeKind, voice: &Voice, mut alerts: Vec<Brief>) -> Message {
    for alert in &mut alerts {
        alert.title = voice.title(alert);
        alert.url = Some(format!("{HUB}/alerts/{}", alert.id));
        alert.job_urls = alert.facts.job_ids.iter().map(|job| format!("{HUB}/jobs/{job}")).collect();
    }
    let templates = BTreeMap::new();
    let draft = Draft { id: NotificationId::new(id(1)), kind, voice, templates: &templates, alerts, more: 0, reference: None };
    compose(Some(HUB), draft)
}

fn brief(nth: u128, alert_type: AlertType, subject: &str) -> Brief {
    Brief {
        id: AlertId::new(id(nth)),
        key: format!("{}/{alert_type}/automation:{nth}", id(100)),
        alert_type,
        labels: vec![],
        note: String::new(),
        facts: Facts::default(),
        ..alert(subject)
    }
}

fn invoices() -> Brief {
    Brief {
        severity: Severity::Error,
        domain: Some("Fiscal".to_owned()),
        rule: Some("Notas emitidas até as 14:30".to_owned()),
        opened_at: at("2026-11-27T17:45:00Z"),
        note: "1. Veja se a **SEFAZ** está no ar: [disponibilidade](https://www.nfe.fazenda.gov.br/portal/disponibilidade.aspx)\n\
               2. Rode de novo com `competencia` do mês\n\nDúvidas: plantão fiscal, ramal 4021."
            .to_owned(),
        facts: Facts {
            expected_at: Some(at("2026-11-27T17:30:00Z")),
            last_success_at: Some(at("2026-11-26T17:12:00Z")),
            job_ids: vec![JobId::new(id(31))],
            ..Facts::default()
        },
        ..brief(7, AlertType::Late, "Emissão de NF-e – Filial Recife")
    }
}

/// A run is late: in Portuguese.
pub(super) fn late() -> Message {
    message(NoticeKind::Opened, &voice(Language::Pt, "2026-11-27T17:50:00Z"), vec![invoices()])
}

/// It has finished.
pub(super) fn resolved() -> Message {
    let over = at("2026-11-27T18:02:00Z");
    let facts = Facts { last_success_at: Some(over), ..invoices().facts };
    let (status, resolution) = (AlertStatus::Resolved, Some(Resolution::Recovered));
    let alert = Brief { status, resolved_at: Some(over), resolution, facts, ..invoices() };
    message(NoticeKind::Resolved, &voice(Language::Pt, "2026-11-27T18:02:03Z"), vec![alert])
}

/// Somebody takes it.
pub(super) fn acknowledged() -> Message {
    let alert = Brief { status: AlertStatus::Acknowledged, by: Some("Ana Souza".to_owned()), ..invoices() };
    message(NoticeKind::Acknowledged, &voice(Language::Pt, "2026-11-27T17:55:00Z"), vec![alert])
}

/// Failures in a row: in English.
pub(super) fn failing() -> Message {
    let alert = Brief {
        severity: Severity::Critical,
        domain: Some("Finance".to_owned()),
        rule: Some("Three failures in a row".to_owned()),
        opened_at: at("2026-11-27T14:20:00Z"),
        count: 2,
        note: "Check the portal's status page, then see the [runbook](https://wiki.example.com/invoices#portal).\n\n- **503**: wait, it retries by \
               itself\n- **401**: renew the password of `portal_user`"
            .to_owned(),
        facts: Facts {
            measured: Some(5.0),
            limit: Some(3.0),
            unit: Some(Unit::Jobs),
            error_class: Some("PORTAL_DOWN".to_owned()),
            error_message: Some("POST https://portal.example.com/login: 503 Service Unavailable <html>\"try again\" & wait".to_owned()),
            job_ids: (41..44).map(|nth| JobId::new(id(nth))).collect(),
            ..Facts::default()
        },
        ..brief(8, AlertType::FailureStreak, "Download invoices")
    };
    message(NoticeKind::Opened, &voice(Language::En, "2026-11-27T14:25:00Z"), vec![alert])
}

/// A worker is gone, and what it should have run is late: in English.
pub(super) fn gone() -> Message {
    let late = |nth, name: &str| {
        let facts = Facts { expected_at: Some(at("2026-11-27T14:00:00Z")), ..Facts::default() };
        Brief { domain: Some("Finance".to_owned()), severity: Severity::Warning, facts, ..brief(nth, AlertType::Late, name) }
    };
    let facts = Facts { last_seen_at: Some(at("2026-11-27T13:58:00Z")), ..Facts::default() };
    let worker =
        Brief { severity: Severity::Critical, automation_id: None, domain: None, facts, ..brief(20, AlertType::WorkerDown, "rpa-win-03") };
    let names = ["Bank statements", "Reconcile payments with a name that is long enough to need a second line", "Tax certificates"];
    let alerts = std::iter::once(worker).chain((21..).zip(names).map(|(nth, name)| late(nth, name))).collect();
    message(NoticeKind::Opened, &voice(Language::En, "2026-11-27T14:25:00Z"), alerts)
}

fn runs(completed: u64, failed: u64) -> RunCounts {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let success_percent = (completed + failed > 0).then(|| completed as f64 * 100.0 / (completed + failed) as f64);
    RunCounts { total: completed + failed, completed, failed, success_percent, ..RunCounts::default() }
}

fn automation(nth: i32, name: &str, completed: u64, failed: u64, late: u64) -> AutomationActivity {
    AutomationActivity {
        automation_id: nth.into(),
        automation_name: name.to_owned(),
        runs: runs(completed, failed),
        late,
        hours_saved: 0.0,
    }
}

fn failure(nth: u128, error_class: &str, count: u64, name: &str, message: &str) -> FailureActivity {
    FailureActivity {
        error_class: error_class.to_owned(),
        count,
        job_id: JobId::new(id(nth)),
        automation_id: 7.into(),
        automation_name: name.to_owned(),
        message: message.to_owned(),
    }
}

/// The report of a week: in Portuguese.
pub(super) fn weekly() -> Message {
    let (recife, certificates) = ("Emissão de NF-e – Filial Recife", "Certidões negativas");
    let report = ActivityReport {
        domain: Some("fiscal".to_owned()),
        period: Period::Weekly,
        timezone: "America/Sao_Paulo".to_owned(),
        first_day: "2026-11-16".parse().unwrap(),
        from: at("2026-11-16T03:00:00Z"),
        until: at("2026-11-23T03:00:00Z"),
        runs: runs(1151, 49),
        runs_before: runs(1093, 12),
        by_day: vec![runs(240, 2), runs(198, 44), runs(236, 1), runs(0, 0), runs(241, 1), runs(180, 0), runs(56, 1)],
        late: 3,
        hours_saved: 287.5,
        automations: vec![
            automation(7, recife, 655, 44, 2),
            automation(8, certificates, 56, 4, 1),
            automation(9, "Conciliação bancária com um nome que precisa de mais de uma linha", 300, 1, 0),
            automation(10, "Download de extratos", 140, 0, 0),
        ],
        failures: vec![
            failure(51, "PORTAL_DOWN", 44, recife, "503 Service Unavailable: https://www.nfe.fazenda.gov.br/portal/disponibilidade.aspx"),
            failure(52, "CAPTCHA", 4, certificates, "o portal pediu um captcha"),
            failure(53, "TIMEOUT", 1, "Conciliação bancária", "o banco não respondeu em 60 s"),
        ],
        slowest: vec![
            SlowAutomation { automation_id: 8.into(), automation_name: certificates.to_owned(), median_s: 610.0, usual_s: 240.0 },
            SlowAutomation { automation_id: 7.into(), automation_name: recife.to_owned(), median_s: 95.0, usual_s: 71.0 },
        ],
    };
    report_message(&report, &voice(Language::Pt, "2026-11-23T10:30:00Z"), HUB).unwrap()
}

/// The report of a day: in English.
pub(super) fn daily() -> Message {
    let report = ActivityReport {
        domain: None,
        period: Period::Daily,
        timezone: "America/New_York".to_owned(),
        first_day: "2026-11-26".parse().unwrap(),
        from: at("2026-11-26T05:00:00Z"),
        until: at("2026-11-27T05:00:00Z"),
        runs: runs(208, 2),
        runs_before: runs(211, 0),
        by_day: vec![runs(208, 2)],
        late: 0,
        hours_saved: 52.0,
        automations: vec![automation(7, "Download invoices", 96, 2, 0), automation(8, "Bank statements", 112, 0, 0)],
        failures: vec![failure(54, "PORTAL_DOWN", 2, "Download invoices", "503 Service Unavailable")],
        slowest: Vec::new(),
    };
    report_message(&report, &voice(Language::En, "2026-11-27T12:30:00Z"), HUB).unwrap()
}
