//! Events between processes, in batches: one message per event would cost the broker more than the job.

use domain::ids::ReplicaId;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use broker::Broker;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc};

use super::Event;
use crate::{Shutdown, TaskError};

/// How long events are collected for one message.
const GATHER_FOR: Duration = Duration::from_millis(50);
/// Maximum number of events in a message.
const MOST: usize = 1000;
/// Prefetched messages.
const PREFETCH: u16 = 50;

#[derive(Serialize)]
struct Outgoing<'a> {
    events: &'a [&'a Event],
    replica: ReplicaId,
}

#[derive(Deserialize)]
struct Incoming {
    /// Parsed one by one: an event of a later version must not invalidate the others.
    events: Vec<serde_json::Value>,
    /// Absent in messages of older versions.
    replica: Option<ReplicaId>,
}

/// Publishes incoming events until `drain`, and then the remaining ones.
pub(super) async fn publish(
    broker: Broker,
    replica: ReplicaId,
    mut inbox: mpsc::Receiver<Arc<Event>>,
    dropped: Arc<AtomicU64>,
    drain: Shutdown,
) {
    let mut events = Vec::new();
    loop {
        tokio::select! {
            biased;
            received = inbox.recv_many(&mut events, MOST / 2) => if received == 0 { return },
            () = drain.wait() => return,
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
            let Ok(body) = serde_json::to_vec(&Outgoing { events: &events, replica }) else { continue };
            if let Err(error) = broker.publish_event(&topic, Bytes::from(body)).await {
                tracing::debug!(%error, events = events.len(), "events not published");
            }
        }
        events.clear();
        let dropped = dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(events = dropped, "events were dropped: the broker did not accept them fast enough");
        }
    }
}

/// Delivers events of other replicas to the subscribers of this process. Events of this replica were delivered when they were published.
pub(super) async fn receive(
    broker: Broker,
    replica: ReplicaId,
    here: broadcast::Sender<Arc<Event>>,
    shutdown: Shutdown,
) -> Result<(), TaskError> {
    let mut messages = broker.consume_events(PREFETCH);
    loop {
        let message = tokio::select! {
            () = shutdown.wait() => return Ok(()),
            message = messages.next() => message.ok_or("the connection to the broker was closed")?,
        };
        match serde_json::from_slice::<Incoming>(&message.body) {
            Ok(batch) if batch.replica == Some(replica) => {}
            Ok(batch) => batch.events.into_iter().filter_map(read).for_each(|event| drop(here.send(Arc::new(event)))),
            Err(error) => tracing::debug!(%error, "a message on the event exchange is not a batch of events"),
        }
        // The queue is deleted with the connection, acknowledged or not.
        let _ = message.ack().await;
    }
}

fn read(event: serde_json::Value) -> Option<Event> {
    serde_json::from_value(event).inspect_err(|error| tracing::debug!(%error, "an event could not be read")).ok()
}
