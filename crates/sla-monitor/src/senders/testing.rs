//! Messages that senders' tests send, and what sends them.

use std::{sync::Arc, time::Duration};

use auth::secrets::MasterKeys;
use chrono::{DateTime, Utc};
use domain::{
    alert::{AlertSource, AlertStatus, AlertType, Facts, Severity},
    ids::{AlertId, NotificationId},
    notification::{Brief, Message, NoticeKind},
    schedule::words::Language,
};
use runtime::{
    Secrets,
    outbound::{Outbound, OutboundSettings},
};
use secrecy::SecretString;
use test_support::{Backend, TestDatabase};
use uuid::Uuid;

use super::{Opened, Senders};

/// Senders that reach this machine, at [`at`].
pub(super) async fn senders() -> (Senders, TestDatabase) {
    let database = TestDatabase::create(Backend::Sqlite).await.unwrap();
    let keys = MasterKeys::parse(&MasterKeys::generate()).unwrap();
    let secrets = Secrets::new(database.open().await.unwrap(), Arc::new(at), Some(keys));
    let (connect, whole) = (Duration::from_secs(5), Duration::from_secs(10));
    let allowed = vec!["127.0.0.0/8".parse().unwrap()];
    let outbound = Outbound::new(OutboundSettings { allowed, roots: Vec::new(), connect, whole });
    (Senders { secrets, outbound, clock: Arc::new(at) }, database)
}

pub(super) fn opened(name: &str, secret: &str) -> Opened {
    let mut opened = Opened::default();
    opened.set(name, SecretString::from(secret));
    opened
}

pub(super) fn at() -> DateTime<Utc> {
    "2026-11-27T14:00:00Z".parse().unwrap()
}

pub(super) fn alert(subject: &str) -> Brief {
    Brief {
        id: AlertId::new(Uuid::from_u128(7)),
        key: "r/LATE/automation:1".to_owned(),
        alert_type: AlertType::Late,
        severity: Severity::Error,
        status: AlertStatus::Open,
        source: AlertSource::Regente,
        title: format!("{subject} is late"),
        subject: subject.to_owned(),
        automation_id: Some(1.into()),
        domain: Some("Finance".to_owned()),
        labels: vec!["monthly".to_owned()],
        rule: None,
        opened_at: at(),
        resolved_at: None,
        resolution: None,
        by: None,
        count: 1,
        facts: Facts { error_message: Some("boom <b>&amp;</b>".to_owned()), ..Facts::default() },
        note: "Look at **SAP** first".to_owned(),
        url: Some("https://hub.example.com/alerts/7".to_owned()),
        job_urls: vec!["https://hub.example.com/jobs/1".to_owned()],
    }
}

pub(super) fn message(kind: NoticeKind, alerts: Vec<Brief>) -> Message {
    Message {
        id: NotificationId::new(Uuid::from_u128(9)),
        kind,
        at: at(),
        language: Language::En,
        severity: Severity::Error,
        title: "Faturamento <São Paulo> & co is late".to_owned(),
        text: "It was due at **10:00**.\n\n- last run: yesterday\n- queue: 3".to_owned(),
        html: None,
        alerts,
        more: 0,
        url: Some("https://hub.example.com/alerts".to_owned()),
        reference: None,
    }
}
