use std::{collections::HashMap, time::Duration};

use broker::{Broker, QueueDepth};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{ids::JobId, worker::State};
use futures_util::future::BoxFuture;
use runtime::{Clock, Context, Counts, Reconciler, TaskError};
use store::{Database, Error};

use super::counts;
use crate::notices::{LostMessage, Notice, Notices};

/// Time after which a dispatched job returns to the backlog while its queue is empty at the broker.
const LOST_AFTER: TimeDelta = TimeDelta::minutes(1);
/// Time limit for the broker to report the depth of a queue.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns jobs to the backlog whose message the broker confirmed and no longer has.
pub(super) struct LostMessages {
    database: Database,
    broker: Option<Broker>,
    notices: Notices,
    clock: Clock,
    lease: TimeDelta,
    consumer_timeout: TimeDelta,
    tick: Duration,
}

impl LostMessages {
    pub(super) fn new(notices: Notices, context: &Context) -> Self {
        let dispatch = &context.settings.dispatch;
        Self {
            database: context.database.clone(),
            broker: context.broker.clone(),
            notices,
            clock: context.clock.clone(),
            lease: TimeDelta::from_std(context.settings.lease.agent).unwrap_or(TimeDelta::MAX),
            consumer_timeout: TimeDelta::from_std(dispatch.consumer_timeout).unwrap_or(TimeDelta::MAX),
            tick: dispatch.tick,
        }
    }

    async fn find(&self) -> Result<Counts, Error> {
        let Some(broker) = self.broker.as_ref().filter(|broker| broker.is_connected()) else { return Ok(Counts::new()) };
        let now = (self.clock)();
        let by_queue = self.undelivered(now).await?;
        if by_queue.is_empty() {
            return Ok(counts([("jobs_waiting_again", 0), ("queues_not_asked", 0)]));
        }
        let registered = self.consuming_workers(now).await?;
        let (mut lost, mut unknown) = (0, 0);
        for (queue, jobs) in by_queue {
            let Some((depth, is_there)) = look(broker, &queue).await else {
                unknown += 1;
                continue;
            };
            // The depth does not include unacknowledged messages. A registered worker starts a job as soon as it receives its message.
            let known = registered.get(&queue).copied().unwrap_or(0);
            let strangers = depth.consumers > known;
            // A registered worker would have started the job, so the broker has lost the message. An unregistered one may have received it.
            let delivered = is_there && (strangers || known == 0);
            let before = if strangers { now - LOST_AFTER - self.consumer_timeout } else { now - LOST_AFTER };
            let ids: Vec<JobId> = jobs.into_iter().filter(|(_, since)| *since < before).map(|(id, _)| id).collect();
            if depth.messages == 0 && !ids.is_empty() {
                tracing::warn!(queue.name = queue, jobs = ids.len(), "messages are lost and their jobs have not started");
                lost += ids.len();
                for job_id in ids {
                    self.notices.send(Notice::Lost(LostMessage { job_id, queue: queue.clone(), before, delivered }));
                }
            }
        }
        Ok(counts([("jobs_waiting_again", lost), ("queues_not_asked", unknown)]))
    }

    /// Jobs whose message should have been at the broker for a while, by queue.
    async fn undelivered(&self, now: DateTime<Utc>) -> Result<HashMap<String, Vec<(JobId, DateTime<Utc>)>>, Error> {
        let mut by_queue: HashMap<String, Vec<(JobId, DateTime<Utc>)>> = HashMap::new();
        for (id, queue, since) in store::jobs::job_list_undelivered_unscoped(&self.database).await? {
            if since < now - LOST_AFTER {
                by_queue.entry(queue).or_default().push((id, since));
            }
        }
        Ok(by_queue)
    }

    /// Number of registered workers that consume each queue.
    async fn consuming_workers(&self, now: DateTime<Utc>) -> Result<HashMap<String, u32>, Error> {
        let mut counts = HashMap::new();
        for worker in store::workers::worker_list_seen_unscoped(&self.database, now - self.lease).await? {
            if worker.uses_broker && worker.life.state(self.lease, now) == State::Running {
                worker.queues.into_iter().for_each(|queue| *counts.entry(queue).or_default() += 1);
            }
        }
        Ok(counts)
    }
}

/// Depth of the queue, and whether it exists; `None` when the broker does not answer.
async fn look(broker: &Broker, queue: &str) -> Option<(QueueDepth, bool)> {
    match tokio::time::timeout(PATIENCE, broker.queue_depth(queue)).await {
        Ok(Ok(depth)) => Some((depth, true)),
        Ok(Err(broker::Error::QueueNotFound { .. })) => Some((QueueDepth { messages: 0, consumers: 0 }, false)),
        Ok(Err(_)) | Err(_) => None,
    }
}

impl Reconciler for LostMessages {
    fn name(&self) -> &'static str {
        "lost_messages"
    }

    fn interval(&self) -> Duration {
        self.tick * 30
    }

    fn run_once(&self, _: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move { Ok(self.find().await?) })
    }
}
