use std::{sync::Arc, time::Duration};

use broker::{Broker, Error};
use bytes::Bytes;
use domain::ids::JobId;
use futures_util::{StreamExt, stream::FuturesUnordered};
use messages::JobMessage;
use runtime::{Shutdown, Tasks};
use tokio::{sync::mpsc, time::Instant};

use crate::notices::{Notice, Notices};

/// Delay before a refused message is published again.
const PAUSE: Duration = Duration::from_millis(500);

/// Time limit for the broker's confirm: a broker without memory or disk space blocks publishers silently.
const PATIENCE: Duration = Duration::from_secs(20);

/// A job's message for its queue, which exists.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) job_id: JobId,
    pub(crate) queue: String,
    body: Bytes,
    /// The job's `traceparent`, if it came with one.
    headers: Vec<(String, String)>,
    /// When the job returns to the backlog unless the broker has confirmed the message.
    until: Instant,
}

impl Publication {
    /// `None` for a message without a valid job id or JSON form.
    pub(crate) fn new(message: JobMessage, traceparent: Option<&str>) -> Option<Self> {
        let job_id = message.job_id.parse().ok()?;
        let body = serde_json::to_vec(&message).ok()?;
        let headers = traceparent.map(|trace| ("traceparent".to_owned(), trace.to_owned())).into_iter().collect();
        Some(Self { job_id, queue: message.queue_name, body: Bytes::from(body), headers, until: Instant::now() + PATIENCE })
    }
}

/// Publishes messages concurrently and notifies the writer of confirms.
pub(crate) struct Publisher(mpsc::UnboundedSender<Publication>);

impl Publisher {
    pub(crate) fn start(broker: Option<Arc<Broker>>, notices: Notices, tasks: &Tasks) -> Self {
        // Unbounded, but small: the dispatch window limits what the writer sends.
        let (sender, receiver) = mpsc::unbounded_channel();
        if let Some(broker) = broker {
            tasks.spawn_outlet("orchestrator.publisher", |drain| publish_all(broker, notices, receiver, drain));
        }
        Self(sender)
    }

    pub(crate) fn publish(&self, publication: Publication) {
        // Without a broker nothing is selected for it; after a shutdown the sweep releases what is left.
        let _ = self.0.send(publication);
    }
}

async fn publish_all(broker: Arc<Broker>, notices: Notices, mut receiver: mpsc::UnboundedReceiver<Publication>, drain: Shutdown) {
    let mut under_way = FuturesUnordered::new();
    let (mut open, mut draining) = (true, false);
    loop {
        tokio::select! {
            publication = receiver.recv(), if open => match publication {
                Some(publication) => under_way.push(publish(&broker, publication)),
                None => open = false,
            },
            Some(notice) = under_way.next() => notices.send(notice),
            () = drain.wait(), if !draining => {
                draining = true;
                receiver.close();
            }
            else => break,
        }
    }
}

async fn publish(broker: &Broker, publication: Publication) -> Notice {
    let Publication { job_id, queue, body, headers, until } = publication;
    let sent = tokio::time::timeout_at(until, broker.publish(&queue, body, &headers)).await;
    match sent.unwrap_or(Err(Error::Disconnected)) {
        Ok(()) => Notice::Confirmed(job_id),
        Err(error) => {
            if !matches!(error, Error::Disconnected) {
                tokio::time::sleep(PAUSE).await;
            }
            tracing::warn!(%error, job.id = %job_id, queue.name = queue, "message not confirmed; the job returns to the backlog");
            Notice::Unconfirmed(job_id, queue)
        }
    }
}
