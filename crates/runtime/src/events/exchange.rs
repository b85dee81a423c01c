//! Events between processes, in batches: one message per event would cost the broker more than the job.

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
use tokio::sync::{broadcast, mpsc};

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
}

#[derive(Deserialize)]
struct Incoming {
    /// Parsed one by one: an event of a later version must not invalidate the others.
    events: Vec<serde_json::Value>,
    replica: ReplicaId,
    /// Events that the replica has published before these; absent in messages of older versions.
    after: Option<u64>,
}

/// Publishes incoming events until `drain`, and then the remaining ones.
pub(super) async fn publish(
    broker: Broker,
    replica: ReplicaId,
    mut inbox: mpsc::Receiver<Arc<Event>>,
    dropped: Arc<AtomicU64>,
    drain: Shutdown,
) {
    let (mut events, mut after) = (Vec::new(), 0);
    loop {
        tokio::select! {
            biased;
            received = inbox.recv_many(&mut events, MOST / 2) => if received == 0 { return },
            () = drain.wait() => return,
            () = tokio::time::sleep(COUNT_EVERY) => send(&broker, COUNT_TOPIC, &Outgoing { events: &[], replica, after }).await,
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
        let mut topics: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
        events.iter().for_each(|event| topics.entry(event.topic()).or_default().push(event));
        for (topic, events) in topics {
            send(&broker, &topic, &Outgoing { events: &events, replica, after }).await;
            after += events.len() as u64;
        }
        events.clear();
        let dropped = dropped.swap(0, Ordering::Relaxed);
        // They leave a gap in the numbers.
        after += dropped;
        if dropped > 0 {
            tracing::warn!(events = dropped, "events were dropped: the broker did not accept them fast enough");
        }
    }
}

async fn send(broker: &Broker, topic: &str, message: &Outgoing<'_>) {
    let Ok(body) = serde_json::to_vec(message) else { return };
    if let Err(error) = broker.publish_event(topic, Bytes::from(body)).await {
        tracing::debug!(%error, events = message.events.len(), "events not published");
    }
}

/// Receives for the subscribers of this process.
#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) broker: Broker,
    pub(super) replica: ReplicaId,
    pub(super) is_ours: IsOurs,
    pub(super) here: broadcast::Sender<Item>,
    pub(super) shutdown: Shutdown,
}

/// Delivers events of other replicas to the subscribers of this process. Events of this replica were delivered when they were published.
pub(super) async fn receive(receiver: Receiver) -> Result<(), TaskError> {
    let (mut messages, mut heard) = (receiver.broker.consume_events(PREFETCH), Heard::default());
    loop {
        let message = tokio::select! {
            () = receiver.shutdown.wait() => return Ok(()),
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
        let Incoming { events, replica, after } = batch;
        if heard.is_ours(replica).is_none() {
            match (self.is_ours)(replica).await {
                Ok(is_ours) => heard.judge(replica, is_ours, Instant::now()),
                // Its next message shows that these were missed.
                Err(error) => return tracing::debug!(%error, "a replica could not be looked up; its events are missed"),
            }
        }
        if heard.is_ours(replica) != Some(true) {
            return;
        }
        if after.is_some_and(|after| heard.misses(replica, after, events.len() as u64, Instant::now())) {
            tracing::debug!(replica.id = %replica, "events of a replica were missed");
            // The last subscriber may be gone, here and below.
            let _ = self.here.send(None);
        }
        for event in events.into_iter().filter_map(read) {
            let _ = self.here.send(Some(Arc::new(event)));
        }
    }
}

fn read(event: serde_json::Value) -> Option<Event> {
    serde_json::from_value(event).inspect_err(|error| tracing::debug!(%error, "an event could not be read")).ok()
}
