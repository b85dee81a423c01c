//! The event bus: publishes what was committed to subscribers.
//!
//! An event says that something happened, never what to do; a subscriber reads the state again. The database is the truth and a lost event
//! only delays, so every buffer of the bus is bounded and no publisher waits. Invariants: an event is published after its commit; a
//! subscriber in this process receives it once, at once, with or without a broker; with a broker, other processes receive it in batches
//! over the exchange `regente.events`; a subscriber that may have missed events since it subscribed learns it ([`Notice::Missed`]), and only such
//! a one; events of other hubs on the same broker are ignored. Without subscribers and broker an event costs nothing: check
//! [`Events::has_receivers`] before creating one.

mod exchange;
mod heard;

use std::{
    borrow::Cow,
    sync::{
        Arc, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use broker::Broker;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::ids::ReplicaId;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::timeout,
};
use uuid::Uuid;

use crate::{Shutdown, Tasks};

/// Buffered events per subscriber; a slower one misses the oldest.
const SUBSCRIBER_WAITING: usize = 4096;
/// Buffered events while the broker is unreachable; more are dropped.
const EXCHANGE_WAITING: usize = 10_000;
/// How long [`Events::listen`] waits for the broker.
const LISTEN_WITHIN: Duration = Duration::from_secs(2);

/// An event. Its JSON is the wire form: `data` is flattened into the envelope, so its keys must not be `event_id`, `type`, `subject`,
/// `occurred_at` or `traceparent`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// UUID v7.
    #[serde(rename = "event_id")]
    pub id: Uuid,
    /// `<noun>.<past tense>`, such as `job.completed`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The resource that it is about, as a path of the API without its prefix: `jobs/<uuid>`.
    #[serde(default)]
    pub subject: String,
    /// When it was committed.
    #[serde(rename = "occurred_at", serialize_with = "to_microseconds")]
    pub at: DateTime<Utc>,
    /// W3C trace context of the request that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Fields that depend on the kind.
    #[serde(flatten)]
    pub data: Map<String, Value>,
}

impl Event {
    /// A new event without a trace.
    #[must_use]
    pub fn new(kind: &'static str, subject: String, at: DateTime<Utc>, data: Map<String, Value>) -> Self {
        Self { id: Uuid::now_v7(), kind: kind.into(), subject, at, traceparent: None, data }
    }

    /// Its topic: the plural of its noun.
    fn topic(&self) -> String {
        format!("{}s", self.kind.split('.').next().unwrap_or_default())
    }
}

fn to_microseconds<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// The event bus. Clones share it.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

struct Inner {
    here: broadcast::Sender<Item>,
    exchange: Option<Exchange>,
    /// Events dropped since the last message.
    dropped: Arc<AtomicU64>,
}

/// What subscribers of this process are sent; `None`: events of another process were missed.
type Item = Option<Arc<Event>>;

/// Says whether a replica is one of this hub: several hubs may share a broker.
pub type IsOurs = Arc<dyn Fn(ReplicaId) -> BoxFuture<'static, Result<bool, store::Error>> + Send + Sync>;

/// The connection to other processes.
struct Exchange {
    broker: Broker,
    replica: ReplicaId,
    is_ours: IsOurs,
    outbox: mpsc::Sender<Arc<Event>>,
    tasks: Tasks,
    shutdown: Shutdown,
    /// Starts the consumer with the first subscriber.
    start: Once,
    /// Whether events of other processes arrive.
    listens: Arc<watch::Sender<bool>>,
}

impl Events {
    /// The bus of `replica`; uses the exchange as well if there is a broker, and listens there to replicas that are ours.
    #[must_use]
    pub fn start(broker: Option<Broker>, replica: ReplicaId, is_ours: IsOurs, tasks: &Tasks, shutdown: &Shutdown) -> Self {
        let (here, _) = broadcast::channel(SUBSCRIBER_WAITING);
        let dropped = Arc::<AtomicU64>::default();
        let exchange = broker.map(|broker| {
            let (outbox, inbox) = mpsc::channel(EXCHANGE_WAITING);
            let (publisher, lost) = (exchange::Publisher::new(broker.clone(), replica), dropped.clone());
            tasks.spawn_outlet("events.publisher", |drain| publisher.run(inbox, lost, drain));
            let (tasks, shutdown, listens) = (tasks.clone(), shutdown.clone(), Arc::new(watch::Sender::new(false)));
            Exchange { broker, replica, is_ours, outbox, tasks, shutdown, start: Once::new(), listens }
        });
        Self(Arc::new(Inner { here, exchange, dropped }))
    }

    /// Whether an event would have a receiver.
    #[must_use]
    pub fn has_receivers(&self) -> bool {
        self.0.exchange.is_some() || self.0.here.receiver_count() > 0
    }

    /// Publishes an event without waiting. Call it after the commit.
    pub fn publish(&self, event: Event) {
        let event = Arc::new(event);
        if self.0.here.receiver_count() > 0 {
            // The last subscriber may be gone.
            let _ = self.0.here.send(Some(event.clone()));
        }
        if let Some(exchange) = &self.0.exchange
            && exchange.outbox.try_send(event).is_err()
        {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Subscribes to events whose kind begins with one of `kinds` (`job.`, or `job.completed`), including those of other replicas: with a
    /// broker, from the end of [`Events::listen`] on. Who subscribes before that is told that events were missed.
    #[must_use]
    pub fn subscribe(&self, kinds: &'static [&'static str]) -> Subscription {
        let receiver = self.0.here.subscribe();
        self.hear_others();
        Subscription { receiver, kinds }
    }

    /// Waits until events of other replicas arrive, but no longer than 2 s: the broker may be away. Cancel-safe.
    pub async fn listen(&self) {
        self.hear_others();
        if let Some(exchange) = &self.0.exchange {
            // Who subscribes too early is told so.
            let _ = timeout(LISTEN_WITHIN, exchange.listens.subscribe().wait_for(|listens| *listens)).await;
        }
    }

    fn hear_others(&self) {
        let Some(exchange) = &self.0.exchange else { return };
        exchange.start.call_once(|| {
            let receiver = exchange::Receiver {
                broker: exchange.broker.clone(),
                replica: exchange.replica,
                is_ours: exchange.is_ours.clone(),
                here: self.0.here.clone(),
                listens: exchange.listens.clone(),
                shutdown: exchange.shutdown.clone(),
            };
            exchange.tasks.spawn("events.receiver", move || exchange::receive(receiver.clone()));
        });
    }
}

/// What a subscriber receives.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// An event.
    Event(Arc<Event>),
    /// Events of any kind may have been missed, because the subscriber was too slow or the exchange lost them: it must read the state again.
    Missed,
}

/// A subscription to events of some kinds, from its creation on.
pub struct Subscription {
    receiver: broadcast::Receiver<Item>,
    kinds: &'static [&'static str],
}

impl Subscription {
    /// Waits for the next event. Cancel-safe.
    pub async fn next(&mut self) -> Notice {
        loop {
            match self.receiver.recv().await {
                Ok(Some(event)) if self.kinds.iter().any(|kind| event.kind.starts_with(kind)) => return Notice::Event(event),
                Ok(Some(_)) => {}
                Ok(None) | Err(broadcast::error::RecvError::Lagged(_)) => return Notice::Missed,
                // The bus is gone: there will be no further event.
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &'static str, nth: u64) -> Event {
        let data = serde_json::json!({"job_id": "x", "automation_id": 7, "status": "failed", "nth": nth});
        let Value::Object(data) = data else { unreachable!() };
        Event::new(kind, "jobs/x".to_owned(), DateTime::UNIX_EPOCH, data)
    }

    fn alone() -> Events {
        let shutdown = Shutdown::default();
        let is_ours: IsOurs = Arc::new(|_| Box::pin(async { Ok(true) }));
        Events::start(None, Uuid::now_v7().into(), is_ours, &Tasks::new(Arc::new(Utc::now), shutdown.clone()), &shutdown)
    }

    #[tokio::test]
    async fn without_a_broker_each_subscriber_receives_its_kinds() {
        let events = alone();
        assert!(!events.has_receivers(), "without subscribers no event need be created");
        events.publish(event("job.created", 0));
        let (mut jobs, mut ends) = (events.subscribe(&["job."]), events.subscribe(&["job.completed", "job.failed"]));
        assert!(events.has_receivers());
        for (nth, kind) in (1..).zip(["job.created", "worker.lost", "job.failed"]) {
            events.publish(event(kind, nth));
        }
        for nth in [1, 3] {
            let Notice::Event(heard) = jobs.next().await else { panic!("missed") };
            assert_eq!(heard.data["nth"], nth);
        }
        let Notice::Event(heard) = ends.next().await else { panic!("missed") };
        assert_eq!((heard.kind.as_ref(), &heard.data["nth"]), ("job.failed", &3.into()));
        drop((jobs, ends));
        assert!(!events.has_receivers());
    }

    #[tokio::test]
    async fn a_slow_subscriber_is_notified_and_no_publisher_waits() {
        let events = alone();
        let mut slow = events.subscribe(&["job."]);
        let most = u64::try_from(SUBSCRIBER_WAITING).unwrap();
        for nth in 0..most + 3 {
            events.publish(event("job.created", nth));
        }
        assert_eq!(slow.next().await, Notice::Missed);
        let Notice::Event(heard) = slow.next().await else { panic!("missed more") };
        assert_eq!(heard.data["nth"], 3);
    }

    #[test]
    fn the_wire_form_is_that_of_the_contract() {
        let event = Event { traceparent: Some("00-1-2-01".to_owned()), ..event("job.failed", 1) };
        let written = serde_json::to_string(&event).unwrap();
        let read: messages::JobEvent = serde_json::from_str(&written).unwrap();
        assert_eq!(
            (read.r#type.as_str(), read.job_id.as_str(), read.automation_id, read.status.as_str()),
            ("job.failed", "x", 7, "failed")
        );
        assert_eq!((read.occurred_at.as_str(), read.subject.as_str()), ("1970-01-01T00:00:00.000000Z", "jobs/x"));
        assert_eq!((read.event_id, read.traceparent.as_str()), (event.id.to_string(), "00-1-2-01"));
        assert_eq!(serde_json::from_str::<Event>(&written).unwrap(), event);
    }
}
