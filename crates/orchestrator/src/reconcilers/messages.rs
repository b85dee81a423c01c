use std::{collections::HashMap, time::Duration};

use chrono::TimeDelta;
use store::Error;
use uuid::Uuid;

use super::{Counts, counts};
use crate::{Orchestrator, writer::Note};

/// How old a message may get in a queue that the broker says is empty before its job waits again.
const LOST_AFTER: TimeDelta = TimeDelta::minutes(1);
/// How long the broker may take to say how much a queue has.
const PATIENCE: Duration = Duration::from_secs(5);

impl Orchestrator {
    /// Lets jobs wait again whose message the broker confirmed and no longer has.
    pub(super) async fn find_lost_messages(&self) -> Result<Counts, Error> {
        let Some(broker) = self.broker.as_ref().filter(|broker| broker.is_connected()) else { return Ok(Counts::new()) };
        let before = (self.clock)() - LOST_AFTER;
        let mut by_queue: HashMap<String, Vec<Uuid>> = HashMap::new();
        for (id, queue, since) in store::jobs::job_list_undelivered(&self.database).await? {
            if since < before {
                by_queue.entry(queue).or_default().push(id);
            }
        }
        let (mut lost, mut unknown) = (0, 0);
        for (queue, ids) in by_queue {
            let messages = match tokio::time::timeout(PATIENCE, broker.queue_depth(&queue)).await {
                Ok(Ok(depth)) => depth.messages,
                Ok(Err(broker::Error::QueueNotFound { .. })) => 0,
                Ok(Err(_)) | Err(_) => {
                    unknown += 1;
                    continue;
                }
            };
            if messages == 0 {
                tracing::warn!(queue.name = queue, jobs = ids.len(), "the broker lost messages, sending them again");
                lost += ids.len();
                ids.into_iter().for_each(|id| self.writer.note(Note::Unconfirmed(id, queue.clone())));
            }
        }
        Ok(counts([("jobs_waiting_again", lost), ("queues_not_asked", unknown)]))
    }
}
