//! Takes jobs from RabbitMQ.
//!
//! A message is acknowledged only when its job needs it no longer: after the hub has the end, or after the hub has said that the job is
//! another's or has ended. Until then the broker would deliver it again, which is harmless because `start` decides. What cannot be started
//! returns to its queue; what cannot be parsed is rejected to the dead-letter queue. No delivery is settled while its job may still need
//! it.

use std::{sync::Arc, time::Duration};

use broker::{Broker, Consumer, Delivery, QueueProfile};
use domain::ids::JobId;
use tokio::{sync::watch, task::JoinSet};
use uuid::Uuid;

use super::core::{Core, over};
use crate::{HubError, Job, backoff::Backoff, held::Hold};

/// Attempts to start a job before its message returns to the queue.
const ATTEMPTS: u32 = 6;
/// Pause before a message returns to the queue, so that it is not redelivered at once.
const BEFORE_REQUEUE: Duration = Duration::from_secs(5);
/// Between two checks whether the job of a redelivered message has started.
const RECHECK: Duration = Duration::from_millis(50);

/// What to do with a message whose job does not run here.
enum Unstarted {
    /// Another worker has the job, it has ended, or it is gone.
    Drop,
    /// The hub cannot decide now.
    Requeue,
    /// The hub refuses it for another reason.
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
        // Dropped when the worker is paused: fetched but unstarted messages return to the queue.
        let consumer = broker.consume_or_create(&queue, QueueProfile::Regente, prefetch);
        if start_all(&core, consumer, &queue, &mut stopped).await == Intake::Over {
            return;
        }
    }
}

/// Why a consumer is no longer read.
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
                tracing::warn!(queue.name = queue, reason, "rejecting an unusable message to the dead-letter queue");
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

/// What a message contains.
enum Received {
    Job(Job),
    /// Must fail: this worker cannot parse it.
    Unreadable(JobId, String),
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

    /// Settles a redelivered message for a job that this worker holds. The first message may still be requeued, perhaps over a connection
    /// that is gone: until the job has started, this message is the only one that the broker has.
    async fn deliver_again(&self, job: JobId, delivery: Delivery) {
        while self.held.contains(job) {
            if self.held.is_started(job) {
                tracing::debug!(job.id = %job, "redelivered message of a job that runs here; acknowledged");
                return settle(delivery.ack().await);
            }
            tokio::time::sleep(RECHECK).await;
        }
        tracing::debug!(job.id = %job, "redelivered message of a job that did not start here; requeued");
        settle(delivery.requeue().await);
    }

    /// Takes the job's lease.
    async fn start(&self, job: JobId, hold: &Hold) -> Result<Uuid, Unstarted> {
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
        tracing::warn!(job.id = %job, "the hub does not answer; the message is requeued");
        Err(Unstarted::Requeue)
    }

    /// `Ok`: try again.
    async fn judge_start(&self, job: JobId, error: &HubError) -> Result<(), Unstarted> {
        if error.is_transient() || error.is_unauthorized() {
            return Ok(());
        }
        match error.status() {
            Some(409) => {
                tracing::debug!(job.id = %job, %error, "the job is not for this worker");
                Err(Unstarted::Drop)
            }
            // The hub has lost either the job or this worker's registration.
            Some(404) => match self.hub.status(job).await {
                Ok(_) => self.register_again().await.map_err(|_| Unstarted::Requeue),
                // The job is another worker's, so it is this worker's registration that is gone.
                Err(error) if error.status() == Some(403) => self.register_again().await.map_err(|_| Unstarted::Requeue),
                Err(error) if error.status() == Some(404) && !error.is_transient() => {
                    tracing::warn!(job.id = %job, "dropping a message of a job that the hub does not have");
                    Err(Unstarted::Drop)
                }
                Err(_) => Ok(()),
            },
            _ => {
                tracing::warn!(job.id = %job, %error, "the hub refuses to start the job; its message is rejected to the dead-letter queue");
                Err(Unstarted::Reject)
            }
        }
    }
}

/// A message that cannot be settled is redelivered, and settled then.
fn settle(settled: Result<(), broker::Error>) {
    if let Err(error) = settled {
        tracing::debug!(%error, "a message could not be settled");
    }
}
