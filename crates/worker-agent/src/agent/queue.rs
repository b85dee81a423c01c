//! Takes jobs from RabbitMQ.

use std::{sync::Arc, time::Duration};

use broker::{Broker, Consumer, Delivery, QueueProfile};
use tokio::{sync::watch, task::JoinSet};
use uuid::Uuid;

use super::core::{Core, over};
use crate::{HubError, Job, backoff::Backoff, held::Hold};

/// Attempts to start a job before its message goes back to the queue.
const ATTEMPTS: u32 = 6;
/// Before a message goes back, so that it does not come again at once.
const BEFORE_REQUEUE: Duration = Duration::from_secs(5);
/// Between two looks at whether the job of a message that came twice has started.
const BEFORE_LOOK: Duration = Duration::from_millis(50);

/// What to do with a message whose job does not run here.
enum Unstarted {
    /// Somebody else has the job, or it has ended, or it is gone.
    Drop,
    /// The hub cannot say now.
    Requeue,
    /// The hub does not understand it.
    Reject,
}

/// Consumes every queue until `stopped`.
pub(super) fn spawn(core: &Arc<Core>, broker: &Broker, stopped: &watch::Receiver<bool>, tasks: &mut JoinSet<()>) {
    for queue in &core.settings.queues {
        tasks.spawn(consume(core.clone(), broker.clone(), queue.clone(), stopped.clone()));
    }
}

async fn consume(core: Arc<Core>, broker: Broker, queue: String, mut stopped: watch::Receiver<bool>) {
    let prefetch = u16::try_from(core.settings.slots).unwrap_or(u16::MAX);
    while takes(&core, &mut stopped).await {
        // Dropped when the worker is paused: what was fetched and not started goes back to its queue.
        let consumer = broker.consume_or_create(&queue, QueueProfile::Regente, prefetch);
        if start_all(&core, consumer, &queue, &mut stopped).await == Intake::Over {
            return;
        }
    }
}

/// Why a consumer is not read any further.
#[derive(PartialEq, Eq)]
enum Intake {
    /// The worker is paused.
    Paused,
    /// The agent ends.
    Over,
}

/// Waits while the worker is paused. `false`: the agent ends.
async fn takes(core: &Core, stopped: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        biased;
        () = over(stopped) => false,
        () = core.aborted() => false,
        () = core.drains(false) => true,
    }
}

/// Starts the jobs of one consumer.
async fn start_all(core: &Arc<Core>, mut consumer: Consumer, queue: &str, stopped: &mut watch::Receiver<bool>) -> Intake {
    loop {
        let delivery = tokio::select! {
            biased;
            () = over(stopped) => return Intake::Over,
            () = core.aborted() => return Intake::Over,
            () = core.drains(true) => return Intake::Paused,
            delivery = consumer.next() => delivery,
        };
        let Some(delivery) = delivery else { return Intake::Over };
        let job = match Job::from_message(&delivery.body) {
            Ok(mut job) => {
                job.traceparent = delivery.headers.iter().find(|(name, _)| name == "traceparent").map(|(_, value)| value.clone());
                Received::Job(job)
            }
            Err((Some(id), reason)) => Received::Unreadable(id, reason),
            Err((None, reason)) => {
                tracing::warn!(queue.name = queue, reason, "an unusable message goes to the dead-letter queue");
                settle(delivery.reject().await);
                continue;
            }
        };
        let slot = tokio::select! {
            biased;
            () = over(stopped) => {
                settle(delivery.requeue().await);
                return Intake::Over;
            }
            () = core.drains(true) => {
                settle(delivery.requeue().await);
                return Intake::Paused;
            }
            slot = core.slots.clone().acquire_owned() => slot,
        };
        let Ok(slot) = slot else { return Intake::Over };
        let this = core.clone();
        core.spawn(slot, async move { this.deliver(job, delivery).await });
    }
}

/// What a message brings.
enum Received {
    Job(Job),
    /// To be failed: this worker cannot read it.
    Unreadable(Uuid, String),
}

impl Core {
    async fn deliver(&self, received: Received, delivery: Delivery) {
        let id = match &received {
            Received::Job(job) => job.id,
            Received::Unreadable(id, _) => *id,
        };
        let Some(hold) = self.held.hold(id, None) else {
            return self.deliver_again(id, delivery).await;
        };
        match self.start(id, &hold).await {
            Ok(lease) => {
                match received {
                    Received::Job(job) => self.execute(&job, &hold, lease).await,
                    Received::Unreadable(_, reason) => self.refuse(&hold, lease, &reason).await,
                }
                settle(delivery.ack().await);
            }
            Err(Unstarted::Drop) => settle(delivery.ack().await),
            Err(Unstarted::Reject) => settle(delivery.reject().await),
            Err(Unstarted::Requeue) => {
                tokio::time::sleep(BEFORE_REQUEUE).await;
                settle(delivery.requeue().await);
            }
        }
    }

    /// Settles another message for a job that an earlier one has brought. That one may still be given back, over a connection that is gone
    /// perhaps: until its job has started, this one is all that the broker has.
    async fn deliver_again(&self, job: Uuid, delivery: Delivery) {
        while self.held.contains(job) {
            if self.held.is_started(job) {
                tracing::debug!(job.id = %job, "a message came again for a job that runs here");
                return settle(delivery.ack().await);
            }
            tokio::time::sleep(BEFORE_LOOK).await;
        }
        tracing::debug!(job.id = %job, "a message came again for a job that did not start here, and goes back to its queue");
        settle(delivery.requeue().await);
    }

    /// Takes the job's lease.
    async fn start(&self, job: Uuid, hold: &Hold) -> Result<Uuid, Unstarted> {
        let mut backoff = Backoff::new(Duration::from_secs(5));
        for _ in 0..ATTEMPTS {
            let error = match self.hub.start(job, self.worker_id()).await {
                Ok(started) => {
                    hold.set_lease(started.lease_token);
                    return Ok(started.lease_token);
                }
                Err(error) => error,
            };
            if hold.stopper.now().is_some() {
                return Err(Unstarted::Requeue);
            }
            self.judge_start(job, &error).await?;
            tokio::time::sleep(backoff.step(error.retry_after())).await;
        }
        tracing::warn!(job.id = %job, "the hub does not answer, the message goes back to its queue");
        Err(Unstarted::Requeue)
    }

    /// `Ok`: worth another try.
    async fn judge_start(&self, job: Uuid, error: &HubError) -> Result<(), Unstarted> {
        if error.is_transient() || error.is_unauthorized() {
            return Ok(());
        }
        match error.status() {
            Some(409) => {
                tracing::debug!(job.id = %job, %error, "the job is not for this worker");
                Err(Unstarted::Drop)
            }
            // The hub may not know the job, or this worker.
            Some(404) => match self.hub.status(job).await {
                Ok(_) => self.register_again().await.map_err(|_| Unstarted::Requeue),
                // A job of another worker: it is this worker that the hub does not know.
                Err(error) if error.status() == Some(403) => self.register_again().await.map_err(|_| Unstarted::Requeue),
                Err(error) if error.status() == Some(404) && !error.is_transient() => {
                    tracing::warn!(job.id = %job, "a message for a job that the hub does not know is dropped");
                    Err(Unstarted::Drop)
                }
                Err(_) => Ok(()),
            },
            _ => {
                tracing::warn!(job.id = %job, %error, "the hub refuses to start the job, its message goes to the dead-letter queue");
                Err(Unstarted::Reject)
            }
        }
    }
}

/// A message that cannot be settled comes again, and is settled then.
fn settle(settled: Result<(), broker::Error>) {
    if let Err(error) = settled {
        tracing::debug!(%error, "a message could not be settled");
    }
}
