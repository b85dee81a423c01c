//! Opens channels, and keeps those of consumers.
//!
//! A channel number that the broker closed with an error is lost to the connection, so operations that may be refused stay away from the
//! shared connection where possible, and a connection without free channels is replaced.

use std::sync::Arc;

use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection};

use crate::error::Fault;

/// Opens a channel. lapin never reuses a channel number that the broker closed with an error, and has 2,047 of them. When a live connection
/// has none left, it is closed, and a new one replaces it.
pub(crate) async fn open(connection: &Arc<Connection>) -> lapin::Result<Channel> {
    let opened = connection.create_channel().await;
    if let Err(error) = &opened
        && connection.status().connected()
    {
        tracing::warn!(%error, "no channel can be opened; reconnecting");
        let connection = connection.clone();
        tokio::spawn(async move {
            // A connection that does not close in order is dead too, which is the aim.
            let _ = connection.close(200, "no more channels".into()).await;
        });
    }
    opened
}

/// Maximum number of event messages that wait for a consumer; beyond it the broker drops the oldest.
const EVENTS_WAITING: i32 = 10_000;

/// A channel for any number of consumers.
pub(crate) struct ConsumerChannel {
    channel: Arc<Channel>,
    /// Prefetch that the next consumer gets.
    prefetch: u16,
}

/// A running subscription and the channel on which its deliveries are settled.
pub(crate) struct Subscribed {
    pub(crate) channel: Arc<Channel>,
    pub(crate) received: lapin::Consumer,
}

impl ConsumerChannel {
    pub(crate) async fn open(connection: &Arc<Connection>) -> Result<Self, Fault> {
        Ok(Self { channel: Arc::new(open(connection).await?), prefetch: 0 })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.channel.status().connected()
    }

    /// Declares a queue that lives as long as its one consumer.
    pub(crate) async fn own_queue_declare(&self, queue: ShortString) -> Result<(), Fault> {
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue, options, FieldTable::default()).await?;
        Ok(())
    }

    /// Declares a queue with a generated name for its one consumer, and binds it to everything published to `exchange`.
    pub(crate) async fn event_queue_declare(&self, exchange: ShortString) -> Result<ShortString, Fault> {
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(EVENTS_WAITING));
        let queue = self.channel.queue_declare(ShortString::default(), options, arguments).await?.name().clone();
        self.channel.queue_bind(queue.clone(), exchange, "#".into(), QueueBindOptions::default(), FieldTable::default()).await?;
        Ok(queue)
    }

    /// Consumes `queue` with up to `prefetch` unacknowledged deliveries. A refusal closes the channel.
    pub(crate) async fn consume(&mut self, queue: ShortString, prefetch: u16) -> Result<Subscribed, Fault> {
        if self.prefetch != prefetch {
            // Not global: applies to each consumer that follows.
            self.channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
            self.prefetch = prefetch;
        }
        let received =
            self.channel.basic_consume(queue, ShortString::default(), BasicConsumeOptions::default(), FieldTable::default()).await?;
        Ok(Subscribed { channel: self.channel.clone(), received })
    }
}
