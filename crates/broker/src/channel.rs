//! Opening channels, and those that are consumed on.

use std::sync::Arc;

use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection};

use crate::error::Fault;

/// Opens a channel. lapin never gives a channel number back that the broker closed with an error, and has 2,047 of them: when it has no more
/// on a live connection, the connection is ended, and its successor begins anew.
pub(crate) async fn open(connection: &Arc<Connection>) -> lapin::Result<Channel> {
    let opened = connection.create_channel().await;
    if let Err(error) = &opened
        && connection.status().connected()
    {
        tracing::warn!(%error, "no channel can be opened, connecting anew");
        let connection = connection.clone();
        tokio::spawn(async move {
            // A connection that does not close in order is dead as well, which is the aim.
            let _ = connection.close(200, "no more channels".into()).await;
        });
    }
    opened
}

/// Messages with events that wait for a consumer at most; the broker then drops the oldest.
const EVENTS_WAITING: i32 = 10_000;

/// A channel for any number of consumers.
pub(crate) struct ConsumerChannel {
    channel: Arc<Channel>,
    /// What the next consumer's prefetch is set to.
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

    /// Declares a queue of the broker's naming, for its one consumer, and binds it to all that is published to `exchange`.
    pub(crate) async fn event_queue_declare(&self, exchange: ShortString) -> Result<ShortString, Fault> {
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(EVENTS_WAITING));
        let queue = self.channel.queue_declare(ShortString::default(), options, arguments).await?.name().clone();
        self.channel.queue_bind(queue.clone(), exchange, "#".into(), QueueBindOptions::default(), FieldTable::default()).await?;
        Ok(queue)
    }

    /// Consumes `queue` with up to `prefetch` deliveries not acked. A refusal closes the channel.
    pub(crate) async fn consume(&mut self, queue: ShortString, prefetch: u16) -> Result<Subscribed, Fault> {
        if self.prefetch != prefetch {
            // Not global: for each of the consumers that follow.
            self.channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
            self.prefetch = prefetch;
        }
        let received =
            self.channel.basic_consume(queue, ShortString::default(), BasicConsumeOptions::default(), FieldTable::default()).await?;
        Ok(Subscribed { channel: self.channel.clone(), received })
    }
}
