//! A database with channels and alerts, monitors on it, and a receiver.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    alert::{AlertSource, AlertType, Facts, Key, Observation, Resolution, Seen, Severity, Subject, Terms},
    ids::{ChannelId, NotificationId},
    notification::{
        Fate, Message, NoticeKind, Receipt, SendError,
        channel::{Channel, Draft, QuietHours, Routing, Sealed},
    },
    schedule::{Zones, words::Language},
};
use futures_util::future::BoxFuture;
use runtime::{Clock, Events, Shutdown, Tasks};
use serde_json::json;
use store::{
    Database,
    alerts::alert_observe_in_txn,
    channels::channel_insert_in_txn,
    notifications::{Filter, Notification, notification_list},
};
use test_support::{Backend, TestDatabase};
use uuid::Uuid;

use super::super::{
    Renderer,
    delivery::{Delivery, Outlet},
    router::Router,
};

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What a receiver answers.
#[derive(Clone, Debug, Default)]
pub(crate) enum Mood {
    /// It takes what it gets.
    #[default]
    Fine,
    /// It refuses, with this fate.
    Refuses(Fate),
    /// It never answers.
    Hangs,
}

/// Keeps what it was sent, by channel.
#[derive(Default)]
pub(crate) struct Receiver {
    got: Mutex<Vec<(ChannelId, Message)>>,
    moods: Mutex<BTreeMap<ChannelId, Mood>>,
}

impl Receiver {
    pub(crate) fn set(&self, channel: ChannelId, mood: Mood) {
        self.moods.lock().unwrap().insert(channel, mood);
    }

    /// Everything that arrived at a channel, repetitions too.
    pub(crate) fn all(&self, channel: ChannelId) -> Vec<Message> {
        self.got.lock().unwrap().iter().filter(|(to, _)| *to == channel).map(|(_, message)| message.clone()).collect()
    }

    /// What arrived, without repetitions, which a receiver recognises by their id.
    pub(crate) fn once(&self, channel: ChannelId) -> Vec<Message> {
        let mut seen: BTreeSet<NotificationId> = BTreeSet::new();
        self.all(channel).into_iter().filter(|message| seen.insert(message.id)).collect()
    }

    pub(crate) fn kinds(&self, channel: ChannelId) -> Vec<NoticeKind> {
        self.once(channel).iter().map(|message| message.kind).collect()
    }
}

impl Outlet for Receiver {
    fn send<'a>(&'a self, channel: &'a Channel, message: &'a Message) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let mood = self.moods.lock().unwrap().get(&channel.id).cloned().unwrap_or_default();
            self.got.lock().unwrap().push((channel.id, message.clone()));
            // It has arrived, and the answer is on its way.
            tokio::task::yield_now().await;
            match mood {
                Mood::Fine => Ok(Receipt { status: Some(200), answer: "ok".to_owned(), reference: None }),
                Mood::Refuses(fate) => Err(SendError { fate, status: Some(503), message: "not now".to_owned() }),
                Mood::Hangs => std::future::pending().await,
            }
        })
    }
}

pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) shutdown: Shutdown,
    now: Arc<Mutex<DateTime<Utc>>>,
    test_database: TestDatabase,
}

impl World {
    pub(crate) async fn start(backend: Backend, now: &str) -> Self {
        let test_database = TestDatabase::create(backend).await.unwrap();
        let database = test_database.open().await.unwrap();
        let now = Arc::new(Mutex::new(at(now)));
        Self { database, receiver: Arc::default(), shutdown: Shutdown::default(), now, test_database }
    }

    pub(crate) async fn end(self) {
        self.database.close().await.unwrap();
        self.test_database.close().await.unwrap();
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap()
    }

    pub(crate) fn set(&self, now: DateTime<Utc>) {
        *self.now.lock().unwrap() = now;
    }

    pub(crate) fn clock(&self) -> Clock {
        let now = self.now.clone();
        Arc::new(move || *now.lock().unwrap())
    }

    /// Events that reach nobody else.
    pub(crate) fn events(&self) -> Events {
        let is_ours: runtime::events::IsOurs = Arc::new(|_| Box::pin(async { Ok(true) }));
        let tasks = Tasks::new(self.clock(), self.shutdown.clone());
        Events::start(None, Uuid::now_v7().into(), is_ours, &tasks, &self.shutdown)
    }

    /// The loops of a monitor on this database.
    pub(crate) fn monitor(&self) -> (Router, Delivery) {
        let (zones, planned) = (Arc::new(Zones::bundled()), Arc::default());
        let zone = zones.get("America/Sao_Paulo").unwrap();
        let (database, clock, events) = (self.database.clone(), self.clock(), self.events());
        let tick = Duration::from_millis(20);
        let public_url = Some("https://hub.example.com".to_owned());
        let renderer = Renderer { database: database.clone(), zones: zones.clone(), zone: zone.clone(), public_url };
        let outlet: Arc<dyn Outlet> = self.receiver.clone();
        let (limit, claim_for) = (Duration::from_secs(20), TimeDelta::seconds(60));
        let delivery = Delivery {
            database: database.clone(),
            clock: clock.clone(),
            renderer,
            outlet,
            tick,
            limit,
            claim_for,
            planned: Arc::clone(&planned),
        };
        (Router { database, clock, events, zones, zone, tick, planned }, delivery)
    }

    /// Routes and sends what there is now.
    pub(crate) async fn work(&self) {
        let (router, delivery) = self.monitor();
        router.run_once().await.unwrap();
        delivery.run_once().await.unwrap();
    }

    /// Works at each second until then, as loops do that sleep until something is due.
    pub(crate) async fn work_until(&self, until: &str) {
        let until = at(until);
        loop {
            self.work().await;
            let next = store::notifications::lane_next_wake_unscoped(&self.database).await.unwrap();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.set(next.max(self.now()));
        }
        self.set(until);
        self.work().await;
    }

    pub(crate) async fn channel(&self, kind: &str, quiet: Option<QuietHours>) -> ChannelId {
        let settings = match kind {
            "email" => json!({"host": "mail.example.com", "from": "a@example.com", "to": ["b@example.com"]}),
            "webhook" => json!({"url": "https://example.com/hook"}),
            "pagerduty" => json!({"url": "https://example.com/enqueue"}),
            _ => json!({}),
        };
        let id: ChannelId = Uuid::now_v7().into();
        let draft = Draft {
            name: format!("{kind} {id}"),
            settings: serde_json::from_value(json!({"kind": kind, "settings": settings})).unwrap(),
            language: Language::Pt,
            routing: Routing::default(),
            quiet_hours: quiet,
            group_wait_s: 0,
            templates: BTreeMap::new(),
        };
        let channel = Channel {
            id,
            draft,
            enabled: true,
            disabled_reason: None,
            sealed: Sealed::default(),
            revision: 1,
            created_at: self.now(),
            created_by: "ana".to_owned(),
            updated_at: self.now(),
            updated_by: "ana".to_owned(),
        };
        let txn = self.database.begin().await.unwrap();
        channel_insert_in_txn(&txn, &test_support::change(), &channel).await.unwrap();
        txn.commit().await.unwrap();
        id
    }

    async fn observe(&self, nth: u128, terms: Terms, seen: Seen) {
        let key =
            Key { rule_id: Some(Uuid::from_u128(nth).into()), alert_type: AlertType::Hub, subject: Subject::Hub(format!("part {nth}")) };
        let look = Observation { key, automation_id: None, source: AlertSource::Regente, terms, seen, at: self.now() };
        let txn = self.database.begin().await.unwrap();
        alert_observe_in_txn(&txn, &[look], self.now()).await.unwrap();
        txn.commit().await.unwrap();
    }

    /// Opens an alert, or sees it again.
    pub(crate) async fn breach(&self, nth: u128) {
        let terms = Terms { repeat_every_minutes: Some(30), severity: Severity::Error, ..Terms::default() };
        self.observe(nth, terms, Seen::Breach(Box::<Facts>::default())).await;
    }

    /// Ends it.
    pub(crate) async fn over(&self, nth: u128) {
        self.observe(nth, Terms::default(), Seen::Gone(Resolution::RuleChanged)).await;
    }

    /// The log, oldest first.
    pub(crate) async fn log(&self) -> Vec<Notification> {
        let mut found = notification_list(&self.database, &Filter { limit: 1000, ..Filter::default() }).await.unwrap();
        found.reverse();
        found
    }
}
