use std::{collections::HashMap, sync::Arc, time::Duration};

use broker::{Broker, Error};
use bytes::Bytes;
use domain::automation::QueueProfile;
use futures_util::{StreamExt, stream::FuturesUnordered};
use messages::JobMessage;
use tokio::{sync::mpsc, time::Instant};
use uuid::Uuid;

use crate::writer::{Note, Writer};

/// Pause before a message that the broker would not take is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// How long the broker may take to confirm: one that is out of memory or disk blocks publishers without a word.
const PATIENCE: Duration = Duration::from_secs(20);

/// A job's message on its way to its queue.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) job_id: Uuid,
    pub(crate) queue: String,
    profile: QueueProfile,
    body: Bytes,
    /// When its job waits again unless the broker has confirmed it.
    until: Instant,
}

impl Publication {
    /// `None` for a message whose job id is none, or which has no JSON form.
    pub(crate) fn new(message: JobMessage, profile: QueueProfile) -> Option<Self> {
        let job_id = message.job_id.parse().ok()?;
        let body = serde_json::to_vec(&message).ok()?;
        Some(Self { job_id, queue: message.queue_name, profile, body: Bytes::from(body), until: Instant::now() + PATIENCE })
    }
}

/// Sends messages, many at once, and tells the writer which the broker has.
pub(crate) struct Publisher(mpsc::UnboundedSender<Publication>);

impl Publisher {
    pub(crate) fn start(broker: Option<Arc<Broker>>, writer: Writer) -> Self {
        // Unbounded, yet small: the dispatch window bounds what the writer sends here.
        let (sender, receiver) = mpsc::unbounded_channel();
        if let Some(broker) = broker {
            tokio::spawn(publish_all(broker, writer, receiver));
        }
        Self(sender)
    }

    pub(crate) fn send(&self, publication: Publication) {
        // Without a broker nothing is chosen for it; at the end of the process the sweep takes what is left.
        let _ = self.0.send(publication);
    }
}

async fn publish_all(broker: Arc<Broker>, writer: Writer, mut receiver: mpsc::UnboundedReceiver<Publication>) {
    let (mut under_way, mut declaring) = (FuturesUnordered::new(), FuturesUnordered::new());
    // What is for a queue that is being declared waits for it in line: whoever found it declared a moment later would overtake it.
    let mut lines: HashMap<String, Vec<Publication>> = HashMap::new();
    loop {
        tokio::select! {
            publication = receiver.recv() => {
                let Some(publication) = publication else { break };
                if let Some(line) = lines.get_mut(&publication.queue) {
                    line.push(publication);
                } else if broker.has_ensured(&publication.queue) {
                    under_way.push(publish(&broker, publication));
                } else {
                    declaring.push(declare(&broker, publication.queue.clone(), publication.profile, publication.until));
                    lines.insert(publication.queue.clone(), vec![publication]);
                }
            }
            Some(queue) = declaring.next() => {
                under_way.extend(lines.remove(&queue).into_iter().flatten().map(|publication| publish(&broker, publication)));
            }
            Some(note) = under_way.next() => writer.note(note),
        }
    }
}

/// Gives the queue back. Whether it is there, each message finds out.
async fn declare(broker: &Broker, queue: String, profile: QueueProfile, until: Instant) -> String {
    let _ = tokio::time::timeout_at(until, broker.ensure_queue(&queue, queue_profile(profile))).await;
    queue
}

async fn publish(broker: &Broker, publication: Publication) -> Note {
    let Publication { job_id, queue, profile, body, until } = publication;
    let sent = tokio::time::timeout_at(until, publish_to_queue(broker, &queue, profile, body)).await;
    match sent.unwrap_or(Err(Error::Disconnected)) {
        Ok(()) => Note::Confirmed(job_id),
        Err(error) => {
            if !matches!(error, Error::Disconnected) {
                tokio::time::sleep(PAUSE).await;
            }
            tracing::warn!(%error, job.id = %job_id, queue.name = queue, "message not confirmed, the job waits again");
            Note::Unconfirmed(job_id, queue)
        }
    }
}

/// Declares the queue when this connection has not seen it, and once more when it turns out to be gone.
async fn publish_to_queue(broker: &Broker, queue: &str, profile: QueueProfile, body: Bytes) -> Result<(), Error> {
    let profile = queue_profile(profile);
    broker.ensure_queue(queue, profile).await?;
    match broker.publish(queue, body.clone(), &[]).await {
        Err(Error::Unroutable { .. }) => {
            broker.ensure_queue(queue, profile).await?;
            broker.publish(queue, body, &[]).await
        }
        outcome => outcome,
    }
}

pub(crate) const fn queue_profile(profile: QueueProfile) -> broker::QueueProfile {
    match profile {
        QueueProfile::Regente => broker::QueueProfile::Regente,
        QueueProfile::Maestro => broker::QueueProfile::Maestro,
        QueueProfile::Plain => broker::QueueProfile::Plain,
    }
}
