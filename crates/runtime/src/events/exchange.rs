//! Events between processes, in batches: one message per event would cost the broker more than the job.
//!
//! Nothing is missed unnoticed from the moment on that the queue is there. Each message says how many events its replica has published before;
//! the first one after a break of the replica's connection says that earlier ones may be lost; the last one says that nothing follows, so that a
//! replica that falls silent without it may have died with events unpublished. Events before the queue was there are nobody's loss, except for
//! those who listened already: they are told each time that it is declared.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use broker::Broker;
use bytes::Bytes;
use domain::ids::ReplicaId;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::{MissedTickBehavior, interval},
};

use super::{Event, IsOurs, Item, heard::Heard};
use crate::{Shutdown, TaskError};

/// How long events are collected for one message.
const GATHER_FOR: Duration = Duration::from_millis(50);
/// Maximum number of events in a message.
const MOST: usize = 1000;
/// Prefetched messages.
const PREFETCH: u16 = 50;
/// A replica without events sends a message without any this often, so that others notice the loss of its last ones.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// The topic of messages without events.
const COUNT_TOPIC: &str = "replicas";

#[derive(Serialize)]
struct Outgoing<'a> {
    events: &'a [&'a Event],
    replica: ReplicaId,
    after: u64,
    resumes: bool,
    ends: bool,
}

/// Messages of older versions have not all of these.
#[derive(Deserialize)]
struct Incoming {
    /// Parsed one by one: an event of a later version must not invalidate the others.
    events: Vec<serde_json::Value>,
    replica: ReplicaId,
    /// Events that the replica has published before these.
    after: Option<u64>,
    /// Earlier events of the replica may be lost, because its connection broke since.
    #[serde(default)]
    resumes: bool,
    /// The replica publishes nothing after these.
    #[serde(default)]
    ends: bool,
}

/// Publishes what this replica does.
pub(super) struct Publisher {
    broker: Broker,
    replica: ReplicaId,
    connected: watch::Receiver<bool>,
    after: u64,
    resumes: bool,
}

impl Publisher {
    pub(super) fn new(broker: Broker, replica: ReplicaId) -> Self {
        let connected = broker.watch_connected();
        Self { broker, replica, connected, after: 0, resumes: true }
    }

    /// Publishes incoming events until `drain`, and then the remaining ones.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Arc<Event>>, dropped: Arc<AtomicU64>, drain: Shutdown) {
        let mut events = Vec::new();
        // Others learn of this replica as soon as there is a connection.
        self.connected.mark_changed();
        loop {
            tokio::select! {
                biased;
                received = inbox.recv_many(&mut events, MOST / 2) => if received == 0 { break },
                () = drain.wait() => break,
                Ok(()) = self.connected.changed() => {
                    self.resumes = true;
                    if *self.connected.borrow_and_update() {
                        self.send(COUNT_TOPIC, &[], false).await;
                    }
                }
                () = tokio::time::sleep(COUNT_EVERY) => self.send(COUNT_TOPIC, &[], false).await,
            }
            if events.is_empty() {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(GATHER_FOR) => {}
                () = drain.wait() => {}
            }
            while events.len() < MOST
                && let Ok(event) = inbox.try_recv()
            {
                events.push(event);
            }
            self.send_all(&events).await;
            events.clear();
            let dropped = dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                // They leave a gap in the numbers.
                self.after += dropped;
                self.resumes = true;
                tracing::warn!(events = dropped, "events were dropped: the broker did not accept them fast enough");
            }
        }
        self.send(COUNT_TOPIC, &[], true).await;
    }

    async fn send_all(&mut self, events: &[Arc<Event>]) {
        let mut topics: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
        events.iter().for_each(|event| topics.entry(event.topic()).or_default().push(event));
        for (topic, events) in topics {
            self.send(&topic, &events, false).await;
        }
    }

    async fn send(&mut self, topic: &str, events: &[&Event], ends: bool) {
        self.resumes |= self.connected.has_changed().unwrap_or(true);
        self.connected.mark_unchanged();
        let message = Outgoing { events, replica: self.replica, after: self.after, resumes: self.resumes, ends };
        self.after += events.len() as u64;
        let Ok(body) = serde_json::to_vec(&message) else { return };
        let sent = self.broker.publish_event(topic, Bytes::from(body)).await;
        self.resumes = sent.is_err();
        if let Err(error) = sent {
            tracing::debug!(%error, events = events.len(), "events not published");
        }
    }
}

/// Receives for the subscribers of this process.
#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) broker: Broker,
    pub(super) replica: ReplicaId,
    pub(super) is_ours: IsOurs,
    pub(super) here: broadcast::Sender<Item>,
    /// Whether events arrive.
    pub(super) listens: Arc<watch::Sender<bool>>,
    pub(super) shutdown: Shutdown,
}

/// Delivers events of other replicas to the subscribers of this process. Events of this replica were delivered when they were published.
pub(super) async fn receive(receiver: Receiver) -> Result<(), TaskError> {
    let (mut messages, mut heard) = (receiver.broker.consume_events(PREFETCH), Heard::default());
    let (mut subscriptions, mut look) = (messages.subscriptions(), interval(COUNT_EVERY));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            biased;
            () = receiver.shutdown.wait() => return Ok(()),
            Ok(()) = subscriptions.changed() => {
                heard = Heard::default();
                receiver.misses("the event exchange was not consumed");
                receiver.listens.send_replace(true);
                continue;
            }
            _ = look.tick() => {
                if heard.forget_silent(Instant::now()) {
                    receiver.misses("a replica fell silent");
                }
                continue;
            }
            message = messages.next() => message.ok_or("the connection to the broker was closed")?,
        };
        match serde_json::from_slice::<Incoming>(&message.body) {
            Ok(batch) if batch.replica == receiver.replica => {}
            Ok(batch) => receiver.deliver(batch, &mut heard).await,
            Err(error) => tracing::debug!(%error, "a message on the event exchange is not a batch of events"),
        }
        // The queue is deleted with the connection, acknowledged or not.
        let _ = message.ack().await;
    }
}

impl Receiver {
    async fn deliver(&self, batch: Incoming, heard: &mut Heard) {
        let Incoming { events, replica, after, resumes, ends } = batch;
        let known = heard.note(replica, after.unwrap_or_default(), resumes, Instant::now());
        let is_ours = match known {
            Some(is_ours) => is_ours,
            None => match (self.is_ours)(replica).await {
                Ok(is_ours) => is_ours,
                // Its next message shows that these were missed.
                Err(error) => return tracing::debug!(%error, "a replica could not be looked up; its events are missed"),
            },
        };
        heard.judge(replica, is_ours);
        if !is_ours {
            return;
        }
        if after.is_some_and(|after| heard.misses(replica, after, events.len() as u64)) {
            self.misses("a replica's numbers have a gap");
        }
        for event in events.into_iter().filter_map(read) {
            // The last subscriber may be gone, here and below.
            let _ = self.here.send(Some(Arc::new(event)));
        }
        if ends {
            heard.forget(replica);
        }
    }

    fn misses(&self, reason: &str) {
        tracing::debug!(reason, "events may have been missed");
        let _ = self.here.send(None);
    }
}

fn read(event: serde_json::Value) -> Option<Event> {
    serde_json::from_value(event).inspect_err(|error| tracing::debug!(%error, "an event could not be read")).ok()
}
