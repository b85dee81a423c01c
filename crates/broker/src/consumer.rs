//! Consumers that outlive their connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::Channel;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::broker::Shared;
use crate::error::Fault;
use crate::link::Link;
use crate::supervisor::State;
use crate::{Delivery, channel, names};

/// Time for the broker to answer a cancel.
const CANCEL_LIMIT: Duration = Duration::from_secs(2);

/// A subscription to a queue, renewed after every loss of the connection or the queue.
///
/// Keeps the [`Broker`](crate::Broker) connected. Dropping it ends the subscription and gives back what
/// [`Consumer::next`] has not handed out; deliveries handed out can still be settled.
pub struct Consumer {
    deliveries: mpsc::Receiver<Delivery>,
    _shared: Arc<Shared>,
}

impl Consumer {
    pub(crate) fn start(shared: Arc<Shared>, source: Source, prefetch: u16) -> Self {
        let prefetch = prefetch.max(1);
        let (sender, deliveries) = mpsc::channel(usize::from(prefetch));
        let subscription = Subscription { source, prefetch, state: shared.state.clone(), deliveries: sender };
        shared.runtime.spawn(subscription.run());
        Self { deliveries, _shared: shared }
    }

    /// Waits for the next delivery. `None` when the broker connection was closed by
    /// [`Broker::close`](crate::Broker::close), or when the queue's name cannot be one.
    ///
    /// Cancel safe: no delivery is lost when the call is dropped.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            let delivery = self.deliveries.recv().await?;
            // One from a lost connection is delivered again anyway.
            if delivery.is_live() {
                return Some(delivery);
            }
        }
    }
}

/// Where deliveries come from.
pub(crate) struct Source {
    pub(crate) queue: String,
    /// The queue is this consumer's alone, which declares it: it lives as long as the subscription.
    pub(crate) own: bool,
}

/// The task behind a consumer.
struct Subscription {
    source: Source,
    prefetch: u16,
    state: watch::Receiver<State>,
    deliveries: mpsc::Sender<Delivery>,
}

/// Why deliveries stopped.
#[derive(PartialEq, Eq)]
enum End {
    /// Worth another try.
    Lost,
    /// The consumer was dropped or the connection closed.
    Over,
}

impl Subscription {
    async fn run(mut self) {
        let Ok(queue) = names::name(&self.source.queue) else {
            tracing::error!(queue.name = %self.source.queue, "queue name is not valid, nothing to consume");
            return;
        };
        let mut backoff = Backoff::default();
        while let Some(link) = self.link().await {
            let started = Instant::now();
            let subscribed = subscribe(&link, queue.clone(), &self).await;
            drop(link);
            match subscribed {
                Ok((channel, received)) => {
                    tracing::debug!(queue.name = %self.source.queue, "subscribed");
                    if self.forward(channel, received).await == End::Over {
                        return;
                    }
                    tracing::debug!(queue.name = %self.source.queue, "subscription lost");
                }
                Err(fault) => {
                    tracing::debug!(queue.name = %self.source.queue, ?fault, "not subscribed yet");
                }
            }
            backoff.reset_after(started.elapsed());
            tokio::select! {
                () = over(&mut self.state, &self.deliveries) => return,
                () = sleep(backoff.next(rand::random())) => {}
            }
        }
    }

    /// Waits for a connection. `None` when there is nothing left to do.
    async fn link(&mut self) -> Option<Arc<Link>> {
        let deliveries = self.deliveries.clone();
        tokio::select! {
            () = deliveries.closed() => None,
            state = self.state.wait_for(|state| !matches!(state, State::Down)) => match &*state.ok()? {
                State::Up(link) => Some(link.clone()),
                State::Down | State::Closing | State::Closed => None,
            },
        }
    }

    async fn forward(&mut self, channel: Arc<Channel>, mut received: lapin::Consumer) -> End {
        loop {
            tokio::select! {
                biased;
                () = over(&mut self.state, &self.deliveries) => {
                    cancel(&channel, received).await;
                    return End::Over;
                }
                delivery = received.next() => match delivery {
                    Some(Ok(delivery)) => {
                        let delivery = Delivery::new(delivery, channel.clone());
                        // Only a dropped consumer refuses: the next round sees that, and the delivery goes back.
                        let _ = self.deliveries.send(delivery).await;
                    }
                    Some(Err(_)) | None => return End::Lost,
                },
            }
        }
    }
}

/// Resolves when the consumer was dropped or the connection closed by its owner.
async fn over(state: &mut watch::Receiver<State>, deliveries: &mpsc::Sender<Delivery>) {
    tokio::select! {
        () = deliveries.closed() => {}
        _ = state.wait_for(|state| matches!(state, State::Closing | State::Closed)) => {}
    }
}

async fn subscribe(link: &Link, queue: ShortString, wanted: &Subscription) -> Result<(Arc<Channel>, lapin::Consumer), Fault> {
    let channel = channel::open(link.connection()).await?;
    channel.basic_qos(wanted.prefetch, BasicQosOptions::default()).await?;
    if wanted.source.own {
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.clone(), options, FieldTable::default()).await?;
    }
    let received = channel.basic_consume(queue, ShortString::default(), BasicConsumeOptions::default(), FieldTable::default()).await?;
    Ok((Arc::new(channel), received))
}

/// Ends the subscription and gives back what arrived and was not forwarded. The channel stays open for the
/// deliveries that were, and closes with the last of them.
async fn cancel(channel: &Arc<Channel>, mut received: lapin::Consumer) {
    let cancelled = channel.basic_cancel(received.tag(), BasicCancelOptions::default());
    if !matches!(timeout(CANCEL_LIMIT, cancelled).await, Ok(Ok(()))) {
        return;
    }
    while let Some(Ok(delivery)) = received.next().await {
        drop(Delivery::new(delivery, channel.clone()));
    }
}
