//! The handle that other crates hold.
//!
//! Nothing here waits for a connection: publishing fails at once while there is none, and the caller's database decides what to publish
//! again. Names and sizes are checked before they reach the connection, because the broker answers a bad one by closing a channel that
//! others share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, ErrorKind};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use crate::consumer::{Consumer, Kind, Source};
use crate::link::{Link, Plan};
use crate::publisher::{Message, Verdict};
use crate::supervisor::{State, Supervisor};
use crate::topology::{QueueDepth, QueueProfile, Topology};
use crate::{Error, names};

/// Largest body published: the `max_message_size` of RabbitMQ 4. The broker answers a larger one by closing the channel, which would fail
/// the messages of all other callers.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Time limit of a probe.
const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// Largest frame, unless the URL says otherwise. The library buffers 64 of them; a longer message is several frames.
const FRAME_BYTES: u32 = 16 * 1024;
/// Seconds between heartbeats unless the URL says otherwise. A dead peer is detected after two missed ones.
const HEARTBEAT_SECONDS: u16 = 10;

/// A connection to RabbitMQ that reconnects by itself. Clones share it.
///
/// It is closed by [`Broker::close`], or when the last clone and the last [`Consumer`] are dropped.
#[derive(Clone)]
pub struct Broker {
    shared: Arc<Shared>,
}

/// Shared by clones and consumers. Dropping it ends the supervisor.
pub(crate) struct Shared {
    closing: watch::Sender<bool>,
    pub(crate) state: watch::Receiver<State>,
    connected: watch::Receiver<bool>,
    pub(crate) runtime: Handle,
    event_exchange: String,
}

impl Broker {
    /// Starts connecting to `url` and returns at once. RabbitMQ's tools show `connection_name`.
    ///
    /// A task of the current tokio runtime connects, and reconnects with growing pauses between 100 ms and 5 s, until
    /// the connection is closed. An empty path in `url` means the virtual host `/`.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`] and [`Error::NoRuntime`]. An unreachable broker is not an error.
    pub fn connect(url: &str, connection_name: &str) -> Result<Broker, Error> {
        Self::connect_with(url, connection_name, Topology::default())
    }

    /// [`Broker::connect`] with other names for the shared queue and exchange.
    ///
    /// # Errors
    /// As [`Broker::connect`], and [`Error::InvalidName`] for an invalid name in `topology`.
    pub fn connect_with(url: &str, connection_name: &str, topology: Topology) -> Result<Broker, Error> {
        names::name(&topology.dead_letter_queue)?;
        names::name(&topology.event_exchange)?;
        let uri = parse(url)?;
        let runtime = Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let (closing, closing_signal) = watch::channel(false);
        let (state_sender, state) = watch::channel(State::Down);
        let (connected_sender, connected) = watch::channel(false);
        let event_exchange = topology.event_exchange.clone();
        let plan = Plan { uri, connection_name: connection_name.to_owned(), topology, closing: closing_signal };
        runtime.spawn(Supervisor::new(plan, state_sender, connected_sender).run());
        let shared = Arc::new(Shared { closing, state, connected, runtime, event_exchange });
        Ok(Broker { shared })
    }

    /// Connects to `url` once, logs in, and disconnects.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`], [`Error::Refused`] (the login or the virtual host), [`Error::Unreachable`].
    pub async fn probe(url: &str) -> Result<(), Error> {
        let properties = ConnectionProperties::default().with_connection_name("regente probe".into());
        let connection = tokio::time::timeout(PROBE_LIMIT, Connection::connect_uri(parse(url)?, properties)).await;
        let unreachable = |reason: String| Error::Unreachable { reason };
        match connection.map_err(|_| unreachable("no answer".to_owned()))? {
            Ok(connection) => {
                // The probe has succeeded, however the connection ends.
                let _ended = connection.close(200, "OK".into()).await;
                Ok(())
            }
            Err(error) => Err(match error.kind() {
                ErrorKind::ProtocolError(refusal) => Error::Refused { code: refusal.get_id(), reason: refusal.get_message().to_string() },
                _ => unreachable(error.to_string()),
            }),
        }
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        *self.shared.connected.borrow()
    }

    /// Follows [`Broker::is_connected`].
    pub fn watch_connected(&self) -> watch::Receiver<bool> {
        self.shared.connected.clone()
    }

    /// Adopts `queue` with whatever arguments it has, or creates it by `profile`, and ensures that its dead letters are collected. Queries
    /// the broker once per connection and queue, and again after the queue was found missing: `None` means that this call made no query.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::Refused`] (no permission, a queue exclusive to another connection),
    /// [`Error::Disconnected`], [`Error::Closed`]. Cancel safe: repeating the call completes it.
    pub async fn ensure_queue(&self, queue: &str, profile: QueueProfile) -> Result<Option<QueueDepth>, Error> {
        let link = self.link()?;
        link.run(link.queue_ensure(queue, profile)).await
    }

    /// [`Broker::ensure_queue`] for a queue that another client declares: it is looked up and never created. Cheap to repeat for a missing
    /// queue.
    ///
    /// # Errors
    /// [`Error::QueueNotFound`], and as [`Broker::ensure_queue`]. Cancel safe.
    pub async fn adopt_queue(&self, queue: &str) -> Result<Option<QueueDepth>, Error> {
        let link = self.link()?;
        link.run(link.queue_adopt(queue)).await
    }

    /// Gives `queue` the arguments of `profile`: creates it, or recreates it when it exists with other arguments, is empty and has no
    /// consumer. `Some` means that it is in use and stays as it is, with its depth.
    ///
    /// # Errors
    /// As [`Broker::ensure_queue`]; [`Error::Disconnected`] also when the broker does not support the change, as with a queue of another
    /// type. Cancel safe: repeating the call completes it.
    pub async fn apply_profile(&self, queue: &str, profile: QueueProfile) -> Result<Option<QueueDepth>, Error> {
        let link = self.link()?;
        link.run(link.queue_apply(queue, profile)).await
    }

    /// Whether [`Broker::ensure_queue`], [`Broker::adopt_queue`] or [`Broker::apply_profile`] has succeeded for `queue` on this connection,
    /// so that a repeated call returns at once.
    pub fn has_ensured(&self, queue: &str) -> bool {
        self.link().is_ok_and(|link| link.is_ensured(queue))
    }

    /// Queries how many messages and consumers `queue` has.
    ///
    /// # Errors
    /// [`Error::QueueNotFound`], [`Error::InvalidName`], [`Error::Refused`], [`Error::Disconnected`],
    /// [`Error::Closed`]. Cancel safe.
    pub async fn queue_depth(&self, queue: &str) -> Result<QueueDepth, Error> {
        let link = self.link()?;
        link.run(link.queue_depth(queue)).await
    }

    /// [`Broker::queue_depth`] of a queue for which [`Broker::has_ensured`] is true; `None` for any other. Cheap to repeat, because it
    /// never queries a missing queue, which costs the connection a channel.
    ///
    /// # Errors
    /// As [`Broker::queue_depth`].
    pub async fn queue_depth_if_ensured(&self, queue: &str) -> Result<Option<QueueDepth>, Error> {
        let link = self.link()?;
        if link.is_ensured(queue) { link.run(link.queue_depth(queue)).await.map(Some) } else { Ok(None) }
    }

    /// Publishes a persistent JSON message to `queue` and returns when the broker has confirmed it.
    ///
    /// Never waits for a reconnect, but does wait while the broker has blocked its publishers (memory or disk alarm).
    /// Calls first polled in some order by one task arrive in that order.
    ///
    /// # Errors
    /// [`Error::Unroutable`] when there is no such queue, [`Error::Nacked`], [`Error::InvalidName`] for the queue or a
    /// header, [`Error::BodyTooLarge`], [`Error::Closed`], and [`Error::Disconnected`], after which the message may or
    /// may not be in the queue. Not cancel safe: a dropped call may still publish.
    pub async fn publish(&self, queue: &str, body: Bytes, headers: &[(String, String)]) -> Result<(), Error> {
        if body.len() > BODY_LIMIT {
            return Err(Error::BodyTooLarge { size: body.len(), limit: BODY_LIMIT });
        }
        let (reply, verdict) = oneshot::channel();
        let message = Message { queue: names::name(queue)?, headers: table(headers)?, body, reply };
        let link = self.link()?;
        if !link.accept(message).await {
            return Err(self.link().err().unwrap_or(Error::Disconnected));
        }
        match verdict.await {
            Ok(Verdict::Routed) => Ok(()),
            Ok(Verdict::Unroutable) => {
                link.invalidate(queue);
                Err(Error::Unroutable { queue: queue.to_owned() })
            }
            Ok(Verdict::Nacked) => Err(Error::Nacked { queue: queue.to_owned() }),
            Err(_dropped) => Err(Error::Disconnected),
        }
    }

    /// Publishes to the event exchange, which is created when needed, and returns when the message is written to the socket. The message is
    /// neither persistent nor confirmed, and is dropped when no queue is bound to the exchange.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::BodyTooLarge`], [`Error::Refused`], [`Error::Disconnected`],
    /// [`Error::Closed`]. Not cancel safe: a dropped call may still publish.
    pub async fn publish_event(&self, routing_key: &str, body: Bytes) -> Result<(), Error> {
        if body.len() > BODY_LIMIT {
            return Err(Error::BodyTooLarge { size: body.len(), limit: BODY_LIMIT });
        }
        let routing_key = names::name(routing_key)?;
        let link = self.link()?;
        link.run(link.publish_event(routing_key, body)).await
    }

    /// Publishes to `queue` and returns when the message is written to the socket. The message is neither persistent nor confirmed, and is
    /// dropped when there is no such queue.
    ///
    /// # Errors
    /// As [`Broker::publish_event`].
    pub async fn publish_transient(&self, queue: &str, body: Bytes) -> Result<(), Error> {
        if body.len() > BODY_LIMIT {
            return Err(Error::BodyTooLarge { size: body.len(), limit: BODY_LIMIT });
        }
        let queue = names::name(queue)?;
        let link = self.link()?;
        link.run(link.publish_transient(queue, body)).await
    }

    /// Starts consuming `queue` with up to `prefetch` unacknowledged deliveries (at least 1). Returns at once: the consumer subscribes in
    /// the background as soon as there are a connection and the queue.
    ///
    /// An invalid queue name gives a consumer that ends at once.
    pub fn consume(&self, queue: &str, prefetch: u16) -> Consumer {
        Consumer::start(self.shared.clone(), Source { queue: queue.to_owned(), kind: Kind::Found }, prefetch)
    }

    /// As [`Broker::consume`], but creates a missing queue by `profile`. An existing queue is used as it is.
    pub fn consume_or_create(&self, queue: &str, profile: QueueProfile, prefetch: u16) -> Consumer {
        Consumer::start(self.shared.clone(), Source { queue: queue.to_owned(), kind: Kind::Created(profile) }, prefetch)
    }

    /// As [`Broker::consume`], of an exclusive queue of this consumer: not durable, and deleted with the subscription. Each subscription
    /// declares it, also after a lost connection; the messages that it held are lost.
    ///
    /// While the broker has not detected that an earlier connection is dead, the name is taken, and the consumer retries.
    pub fn consume_own(&self, queue: &str, prefetch: u16) -> Consumer {
        Consumer::start(self.shared.clone(), Source { queue: queue.to_owned(), kind: Kind::Own }, prefetch)
    }

    /// Consumes everything that is published to the event exchange from now on, through an exclusive queue that is deleted with the
    /// subscription. Messages published while the connection is lost are missed; the broker keeps the newest 10,000 waiting messages.
    pub fn consume_events(&self, prefetch: u16) -> Consumer {
        let exchange = self.shared.event_exchange.clone();
        Consumer::start(self.shared.clone(), Source { queue: exchange, kind: Kind::Events }, prefetch)
    }

    /// Closes the connection after waiting up to 5 s for outstanding confirms. Consumers end; their unacknowledged deliveries return to
    /// their queues. Returns when everything is closed, also when called again.
    ///
    /// Cancel safe: closing continues without the caller.
    pub async fn close(&self) {
        self.shared.closing.send_replace(true);
        let mut state = self.shared.state.clone();
        // An error means that the supervisor has ended already, with its runtime.
        let _ = state.wait_for(|state| matches!(state, State::Closed)).await;
    }

    fn link(&self) -> Result<Arc<Link>, Error> {
        match &*self.shared.state.borrow() {
            State::Up(link) => Ok(link.clone()),
            State::Down => Err(Error::Disconnected),
            State::Closing | State::Closed => Err(Error::Closed),
        }
    }
}

fn table(headers: &[(String, String)]) -> Result<Option<FieldTable>, Error> {
    if headers.is_empty() {
        return Ok(None);
    }
    let mut table = FieldTable::default();
    for (key, value) in headers {
        table.insert(names::name(key)?, AMQPValue::LongString(value.as_str().into()));
    }
    Ok(Some(table))
}

fn parse(url: &str) -> Result<AMQPUri, Error> {
    let mut uri: AMQPUri = url.parse().map_err(|_| Error::InvalidUrl)?;
    if uri.vhost.is_empty() {
        uri.vhost = "/".to_owned();
    }
    if let Some(address) = ipv6_host(url) {
        uri.authority.host = address.to_owned();
    }
    uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
    uri.query.frame_max.get_or_insert(FRAME_BYTES);
    Ok(uri)
}

/// The IPv6 address in a URL such as `amqp://user@[::1]:5672/`, which the library's URL parser reads as `localhost`.
fn ipv6_host(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    host.strip_prefix('[')?.split_once(']').map(|(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_forms_of_urls_are_parsed() {
        let table = [
            ("amqp://broker", "broker", 5672, "/"),
            ("amqp://broker/", "broker", 5672, "/"),
            ("amqp://user:pass@127.0.0.1:5673/%2f", "127.0.0.1", 5673, "/"),
            ("amqps://broker/robots", "broker", 5671, "robots"),
            ("amqp://user:p%40ss@[2001:db8::1]:5673/", "2001:db8::1", 5673, "/"),
        ];
        for (url, host, port, vhost) in table {
            let uri = parse(url).expect(url);
            assert_eq!((uri.authority.host.as_str(), uri.authority.port, uri.vhost.as_str()), (host, port, vhost), "{url}");
        }
    }

    #[test]
    fn heartbeats_are_on_unless_the_url_says_otherwise() {
        assert_eq!(parse("amqp://broker").unwrap().query.heartbeat, Some(HEARTBEAT_SECONDS));
        assert_eq!(parse("amqp://broker?heartbeat=3").unwrap().query.heartbeat, Some(3));
    }
}
