use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use messages::{EventBatch, JobEvent};
use tokio::sync::mpsc;

/// How long events are gathered for one message.
const GATHER_FOR: Duration = Duration::from_millis(50);
/// Events that may wait while the broker is away; more are dropped, since the database is the truth.
const MOST_WAITING: usize = 10_000;
/// Routing key of a batch on `regente.events`.
const ROUTING_KEY: &str = "jobs";

/// Where committed events go on their way to other processes; nothing is sent without a broker.
#[derive(Clone)]
pub(crate) struct Events(Option<mpsc::Sender<JobEvent>>);

impl Events {
    pub(crate) fn start(broker: Option<Arc<broker::Broker>>) -> Self {
        let Some(broker) = broker else { return Self(None) };
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        tokio::spawn(send_batches(broker, receiver));
        Self(Some(sender))
    }

    pub(crate) const fn wanted(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn tell(&self, event: JobEvent) {
        if let Some(sender) = &self.0 {
            // Losing an event only delays: watchers read the database.
            let _ = sender.try_send(event);
        }
    }
}

async fn send_batches(broker: Arc<broker::Broker>, mut receiver: mpsc::Receiver<JobEvent>) {
    let mut events = Vec::new();
    while receiver.recv_many(&mut events, 500).await > 0 {
        tokio::time::sleep(GATHER_FOR).await;
        while events.len() < 1000 {
            match receiver.try_recv() {
                Ok(event) => events.push(event),
                Err(_) => break,
            }
        }
        let batch = EventBatch { events: std::mem::take(&mut events) };
        let Ok(body) = serde_json::to_vec(&batch) else { continue };
        if let Err(error) = broker.publish_event(ROUTING_KEY, Bytes::from(body)).await {
            tracing::debug!(%error, events = batch.events.len(), "events not sent");
        }
    }
}
