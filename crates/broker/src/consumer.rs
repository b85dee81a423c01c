//! Consumers that survive their connection.
//!
//! A consumer subscribes again after every loss of the connection or the queue, and its user sees only deliveries. A delivery can be
//! settled only on its own channel: those of a lost connection are never returned to the user, because the broker redelivers them. Dropping
//! a consumer loses nothing: what it has not returned goes back to the queue, and what it has can still be settled.

use std::sync::Arc;
use std::time::Instant;

use futures_util::{StreamExt, TryFutureExt as _};
use lapin::Channel;
use lapin::options::BasicCancelOptions;
use lapin::types::ShortString;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::broker::Shared;
use crate::channel::{ConsumerChannel, Subscribed};
use crate::error::Fault;
use crate::link::{Link, while_alive};
use crate::supervisor::State;
use crate::topology::QueueProfile;
use crate::{Delivery, Error, names};

/// A subscription to a queue, renewed after every loss of the connection or the queue.
///
/// Keeps the [`Broker`](crate::Broker) connected. Dropping it ends the subscription and requeues what [`Consumer::next`] has not returned;
/// returned deliveries can still be settled.
pub struct Consumer {
    deliveries: mpsc::Receiver<Delivery>,
    subscriptions: watch::Receiver<u64>,
    _shared: Arc<Shared>,
}

impl Consumer {
    pub(crate) fn start(shared: Arc<Shared>, source: Source, prefetch: u16) -> Self {
        let prefetch = prefetch.max(1);
        let (sender, deliveries) = mpsc::channel(usize::from(prefetch));
        let own_channel = matches!(source.kind, Kind::Own | Kind::Events);
        let (counter, subscriptions) = watch::channel(0);
        let subscription = Subscription { source, own_channel, prefetch, state: shared.state.clone(), deliveries: sender, counter };
        shared.runtime.spawn(subscription.run());
        Self { deliveries, subscriptions, _shared: shared }
    }

    /// Number of subscriptions so far: the first, and every renewed one. It grows before the first delivery of each, so that a user learns
    /// where messages of [`Broker::consume_events`](crate::Broker::consume_events) may be missing.
    #[must_use]
    pub fn subscriptions(&self) -> watch::Receiver<u64> {
        self.subscriptions.clone()
    }

    /// Waits for the next delivery. `None` when the broker connection was closed by [`Broker::close`](crate::Broker::close), or when the
    /// queue's name is invalid.
    ///
    /// Cancel safe: no delivery is lost when the call is dropped.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            let delivery = self.deliveries.recv().await?;
            // The broker redelivers those of a lost connection.
            if delivery.is_live() {
                return Some(delivery);
            }
        }
    }
}

/// Where deliveries come from.
pub(crate) struct Source {
    /// The queue, or the exchange of [`Kind::Events`].
    pub(crate) queue: String,
    pub(crate) kind: Kind,
}

/// Who declares the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Another client.
    Found,
    /// The consumer, if it is missing.
    Created(QueueProfile),
    /// The consumer, exclusively: it lives as long as the subscription.
    Own,
    /// The consumer, like [`Kind::Own`], under a name that the broker generates. It is bound to the event exchange.
    Events,
}

/// The task behind a consumer.
struct Subscription {
    source: Source,
    /// Uses a channel of its own, because the broker closes the channel of an operation that it refuses.
    own_channel: bool,
    prefetch: u16,
    state: watch::Receiver<State>,
    deliveries: mpsc::Sender<Delivery>,
    /// Subscriptions so far.
    counter: watch::Sender<u64>,
}

/// Why deliveries stopped.
#[derive(PartialEq, Eq)]
enum End {
    /// Subscribe again.
    Lost,
    /// The consumer was dropped or the connection closed.
    Over,
}

impl Subscription {
    async fn run(mut self) {
        let Ok(queue) = names::name(&self.source.queue) else {
            tracing::error!(queue.name = %self.source.queue, "invalid queue name; nothing is consumed");
            return;
        };
        let mut backoff = Backoff::default();
        // The fault was logged.
        let mut reported = false;
        while let Some(link) = self.link().await {
            let started = Instant::now();
            let mut subscribed = link.run(self.subscribe(&link, &queue)).await;
            if let (Err(Error::QueueNotFound { .. }), Kind::Created(profile)) = (&subscribed, self.source.kind) {
                subscribed = match link.run(link.queue_create(&self.source.queue, profile)).await {
                    Ok(_) => link.run(self.subscribe(&link, &queue)).await,
                    Err(error) => Err(error),
                };
            }
            drop(link);
            match subscribed {
                Ok(subscribed) => {
                    self.counter.send_modify(|count| *count += 1);
                    if std::mem::take(&mut reported) {
                        tracing::info!(queue.name = %self.source.queue, "subscribed again");
                    } else {
                        tracing::debug!(queue.name = %self.source.queue, "subscribed");
                    }
                    if self.forward(subscribed).await == End::Over {
                        return;
                    }
                    // The supervisor logs a lost connection.
                    if matches!(&*self.state.borrow(), State::Up(_)) {
                        reported = true;
                        tracing::warn!(queue.name = %self.source.queue, "the broker ended the subscription, as it does when a queue is deleted; subscribing again");
                    } else {
                        tracing::debug!(queue.name = %self.source.queue, "subscription lost");
                    }
                }
                Err(error) => {
                    let missing = matches!(error, Error::QueueNotFound { .. });
                    if missing && !std::mem::replace(&mut reported, true) {
                        tracing::warn!(queue.name = %self.source.queue, "the queue does not exist; it is consumed once it is declared");
                    } else {
                        tracing::debug!(queue.name = %self.source.queue, %error, "cannot subscribe; trying again");
                    }
                    // A retry is refused too, and must not close the shared channel.
                    self.own_channel |= matches!(error, Error::Refused { .. });
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

    async fn subscribe(&self, link: &Link, queue: &ShortString) -> Result<Subscribed, Error> {
        if !self.own_channel {
            return link.subscribe(queue, self.prefetch).await;
        }
        let subscribing = async {
            let mut channel = ConsumerChannel::open(link.connection()).await?;
            let queue = match self.source.kind {
                Kind::Events => channel.event_queue_declare(queue.clone()).await?,
                Kind::Own => channel.own_queue_declare(queue.clone()).await.map(|()| queue.clone())?,
                Kind::Found | Kind::Created(_) => queue.clone(),
            };
            channel.consume(queue, self.prefetch).await
        };
        if self.source.kind == Kind::Events {
            link.event_exchange_ensure().await?;
        }
        subscribing.await.map_err(|fault: Fault| fault.or_missing(|| Error::QueueNotFound { queue: queue.to_string() }))
    }

    async fn forward(&mut self, subscribed: Subscribed) -> End {
        let Subscribed { channel, mut received } = subscribed;
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
                        // Sending fails only when the consumer was dropped: the next round detects that, and the delivery is requeued.
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

/// Ends the subscription and requeues what arrived and was not forwarded. The channel stays open for the deliveries that were forwarded,
/// and closes with the last of them unless others consume on it.
async fn cancel(channel: &Arc<Channel>, mut received: lapin::Consumer) {
    let cancelled = channel.basic_cancel(received.tag(), BasicCancelOptions::default()).map_err(|_| Error::Disconnected);
    // An error means that the channel is gone; the broker requeues its unacknowledged deliveries.
    if while_alive(|| channel.status().connected(), cancelled).await.is_err() {
        return;
    }
    while let Some(Ok(delivery)) = received.next().await {
        drop(Delivery::new(delivery, channel.clone()));
    }
}
