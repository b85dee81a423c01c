//! One live connection and its channels.
//!
//! When the connection dies, everything here dies with it, caches included: what is cached is what this connection has seen. Publishing,
//! declarations, events and consumers use separate channels, so that a refusal of one never fails the others.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::channel::{ConsumerChannel, Subscribed};
use crate::declarer::Declarer;
use crate::error::Fault;
use crate::publisher::{self, Message, Publisher};
use crate::topology::{QueueDepth, QueueProfile, Topology};
use crate::{Error, channel, names};

/// How often a pending operation checks whether its connection is alive.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// A connection with its channels and caches.
pub(crate) struct Link {
    connection: Arc<Connection>,
    /// Passes messages to the publishing task.
    outbox: mpsc::Sender<Message>,
    declarer: tokio::sync::Mutex<Declarer>,
    /// For operations that the broker is likely to refuse. They use a connection of their own, opened on demand: each refusal costs a
    /// connection one of its channels for ever, and some refusals cost the connection.
    apart: tokio::sync::Mutex<Option<(Arc<Connection>, Declarer)>>,
    uri: AMQPUri,
    /// Shared by the consumers that were never refused: a channel costs the broker several processes, and each delivery a switch to one of
    /// them.
    consuming: tokio::sync::Mutex<Option<ConsumerChannel>>,
    events: tokio::sync::Mutex<Option<Channel>>,
    /// For unconfirmed messages to the default exchange.
    transient: tokio::sync::Mutex<Option<Channel>>,
    ensured: Mutex<HashSet<String>>,
    topology: Topology,
}

/// Parameters of a new link.
pub(crate) struct Plan {
    pub(crate) uri: AMQPUri,
    pub(crate) connection_name: String,
    pub(crate) topology: Topology,
    pub(crate) closing: watch::Receiver<bool>,
}

impl Link {
    /// Connects, and opens the publish channel. The second value is the publishing task, which the caller must run.
    pub(crate) async fn open(plan: &Plan) -> lapin::Result<(Self, impl Future<Output = ()> + Send + 'static)> {
        let properties = ConnectionProperties::default()
            .with_connection_name(plan.connection_name.as_str().into())
            .with_client_property("product".into(), "regente".into())
            .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());
        let connection = Arc::new(Connection::connect_uri(plan.uri.clone(), properties).await?);
        let channel = publisher::open(&connection).await?;
        let (outbox, inbox) = mpsc::channel(publisher::QUEUE_LIMIT);
        let publisher = Publisher::new(connection.clone(), inbox, plan.closing.clone());
        let link = Self {
            declarer: tokio::sync::Mutex::new(Declarer::new(connection.clone())),
            apart: tokio::sync::Mutex::default(),
            uri: plan.uri.clone(),
            connection,
            outbox,
            consuming: tokio::sync::Mutex::default(),
            events: tokio::sync::Mutex::default(),
            transient: tokio::sync::Mutex::default(),
            ensured: Mutex::default(),
            topology: plan.topology.clone(),
        };
        Ok((link, publisher.run(channel)))
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Runs an operation on this connection for as long as the connection lives.
    pub(crate) async fn run<T>(&self, operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        while_alive(|| self.connection.status().connected(), operation).await
    }

    /// Passes a message to the publishing task, and waits while its queue is full. `false` when the task accepts no more.
    pub(crate) async fn accept(&self, message: Message) -> bool {
        // Sending at once where possible keeps the order of many calls: a waiting one may have to yield to other tasks, and would be
        // overtaken.
        match self.outbox.try_send(message) {
            Ok(()) => true,
            Err(TrySendError::Full(message)) => self.outbox.send(message).await.is_ok(),
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// Declares `queue` unless this connection has done so before.
    pub(crate) async fn queue_ensure(&self, queue: &str, profile: QueueProfile) -> Result<Option<QueueDepth>, Error> {
        if self.ensured().contains(queue) {
            return Ok(None);
        }
        let mut declarer = self.declarer.lock().await;
        if self.ensured().contains(queue) {
            return Ok(None);
        }
        let depth = declarer.queue_ensure(queue, profile, &self.topology.dead_letter_queue).await?;
        self.ensured().insert(queue.to_owned());
        Ok(Some(depth))
    }

    /// [`Self::queue_ensure`] for a queue that another client declares.
    pub(crate) async fn queue_adopt(&self, queue: &str) -> Result<Option<QueueDepth>, Error> {
        if self.ensured().contains(queue) {
            return Ok(None);
        }
        // It is likely to be missing.
        self.query_apart(queue, None).await?;
        let depth = self.declarer.lock().await.queue_adopt(queue, &self.topology.dead_letter_queue).await?;
        self.ensured().insert(queue.to_owned());
        Ok(Some(depth))
    }

    /// Adopts or creates `queue` for a consumer.
    pub(crate) async fn queue_create(&self, queue: &str, profile: QueueProfile) -> Result<QueueDepth, Error> {
        self.declarer.lock().await.queue_create(queue, profile).await
    }

    /// Gives `queue` this profile; `Some` when it is in use with another.
    pub(crate) async fn queue_apply(&self, queue: &str, profile: QueueProfile) -> Result<Option<QueueDepth>, Error> {
        self.declarer.lock().await.dead_letters_of(queue, &self.topology.dead_letter_queue).await?;
        let differs = self.query_apart(queue, Some(profile)).await?;
        self.ensured().insert(queue.to_owned());
        Ok(differs)
    }

    /// Applies a profile to `queue`, or looks it up, over the connection for likely refusals. If an earlier refusal has closed that
    /// connection, it is opened again.
    async fn query_apart(&self, queue: &str, profile: Option<QueueProfile>) -> Result<Option<QueueDepth>, Error> {
        let mut slot = self.apart.lock().await;
        if let Some((connection, mut declarer)) = slot.take() {
            match while_alive(|| connection.status().connected(), query(&mut declarer, queue, profile)).await {
                Err(Error::Disconnected) => {}
                outcome => {
                    *slot = Some((connection, declarer));
                    return outcome;
                }
            }
        }
        let properties = ConnectionProperties::default().with_connection_name("regente queues".into());
        let connection = Arc::new(Connection::connect_uri(self.uri.clone(), properties).await.map_err(lost)?);
        let mut declarer = Declarer::new(connection.clone());
        let outcome = while_alive(|| connection.status().connected(), query(&mut declarer, queue, profile)).await;
        *slot = Some((connection, declarer));
        outcome
    }

    /// Whether `queue` was declared on this connection.
    pub(crate) fn is_ensured(&self, queue: &str) -> bool {
        self.ensured().contains(queue)
    }

    /// Queries the depth of `queue`.
    pub(crate) async fn queue_depth(&self, queue: &str) -> Result<QueueDepth, Error> {
        let depth = self.declarer.lock().await.queue_depth(queue).await;
        if let Err(Error::QueueNotFound { .. }) = depth {
            self.invalidate(queue);
        }
        depth
    }

    /// Makes the next [`Self::queue_ensure`] query the broker, because `queue` turned out to be missing.
    pub(crate) fn invalidate(&self, queue: &str) {
        self.ensured().remove(queue);
    }

    /// Consumes `queue` on the channel that consumers share. Cancel safe.
    ///
    /// A refusal ends all subscriptions on the shared channel, which then subscribe again; hence the check that the queue exists.
    pub(crate) async fn subscribe(&self, queue: &ShortString, prefetch: u16) -> Result<Subscribed, Error> {
        self.declarer.lock().await.queue_depth(queue.as_str()).await?;
        let mut slot = self.consuming.lock().await;
        let mut channel = match slot.take().filter(ConsumerChannel::is_open) {
            Some(open) => open,
            None => ConsumerChannel::open(&self.connection).await.map_err(|fault| fault.or_missing(|| Error::Disconnected))?,
        };
        let subscribed = channel.consume(queue.clone(), prefetch).await;
        let subscribed = subscribed.map_err(|fault| fault.or_missing(|| Error::QueueNotFound { queue: queue.to_string() }))?;
        *slot = Some(channel);
        Ok(subscribed)
    }

    /// Publishes to the event exchange and returns when the message is written.
    pub(crate) async fn publish_event(&self, routing_key: ShortString, body: Bytes) -> Result<(), Error> {
        let channel = self.event_channel().await?;
        let exchange = names::name(&self.topology.event_exchange)?;
        write(&channel, exchange, routing_key, body).await
    }

    /// Publishes to `queue` over the default exchange and returns when the message is written.
    pub(crate) async fn publish_transient(&self, queue: ShortString, body: Bytes) -> Result<(), Error> {
        let channel = self.open_in(&mut *self.transient.lock().await).await?;
        write(&channel, ShortString::default(), queue, body).await
    }

    /// The open event channel, or a new one after ensuring that the exchange exists.
    async fn event_channel(&self) -> Result<Channel, Error> {
        let mut slot = self.events.lock().await;
        if slot.as_ref().is_none_or(|open| !open.status().connected()) {
            self.event_exchange_ensure().await?;
        }
        self.open_in(&mut slot).await
    }

    /// Adopts or creates the event exchange.
    pub(crate) async fn event_exchange_ensure(&self) -> Result<(), Error> {
        self.declarer.lock().await.exchange_ensure(&self.topology.event_exchange, ExchangeKind::Topic).await
    }

    /// The open channel of `slot`, or a new one.
    async fn open_in(&self, slot: &mut Option<Channel>) -> Result<Channel, Error> {
        if let Some(channel) = slot.as_ref().filter(|open| open.status().connected()) {
            return Ok(channel.clone());
        }
        let channel = channel::open(&self.connection).await.map_err(lost)?;
        *slot = Some(channel.clone());
        Ok(channel)
    }

    fn ensured(&self) -> MutexGuard<'_, HashSet<String>> {
        self.ensured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn query(declarer: &mut Declarer, queue: &str, profile: Option<QueueProfile>) -> Result<Option<QueueDepth>, Error> {
    match profile {
        Some(profile) => declarer.queue_apply(queue, profile).await,
        None => declarer.queue_depth(queue).await.map(Some),
    }
}

/// Writes a message that is neither persistent nor confirmed, and is dropped when it cannot be routed.
async fn write(channel: &Channel, exchange: ShortString, routing_key: ShortString, body: Bytes) -> Result<(), Error> {
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange, routing_key, options, &body, publisher::json()).await.map(|_unconfirmed| ()).map_err(lost)
}

/// Runs `operation` while `is_alive`, which is checked once a second: the library leaves an operation that meets the end of its connection
/// without an answer.
pub(crate) async fn while_alive<T>(is_alive: impl Fn() -> bool, operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut operation = pin!(operation);
    loop {
        match timeout(CHECK_EVERY, &mut operation).await {
            Ok(outcome) => return outcome,
            Err(_elapsed) if is_alive() => {}
            Err(_elapsed) => return Err(Error::Disconnected),
        }
    }
}

fn lost(error: lapin::Error) -> Error {
    Fault::from(error).or_missing(|| Error::Disconnected)
}
