//! Received messages, and how they are settled.
//!
//! A delivery is settled exactly once: each way to settle it consumes it, and dropping it requeues it. So a message can neither be
//! acknowledged by mistake nor stay unsettled for ever.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use lapin::options::{BasicAckOptions, BasicRejectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Acker, Channel};

use crate::Error;
use crate::link::while_alive;

/// A message received. It must be settled by [`Delivery::ack`], [`Delivery::reject`] or [`Delivery::requeue`]; a dropped one returns to its
/// queue.
pub struct Delivery {
    /// The message.
    pub body: Bytes,
    /// The key it was published with: the name of its queue, also for a message from the dead-letter queue.
    pub routing_key: String,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// The headers with text values, such as `traceparent`.
    pub headers: Vec<(String, String)>,
    /// Why and where it was dead-lettered, if it was.
    pub death: Option<Death>,
    settling: Settling,
}

/// The latest entry of the `x-death` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The queue that dead-lettered the message.
    pub queue: String,
    /// Reason: `rejected`, `expired`, `maxlen` or `delivery_limit`.
    pub reason: String,
    /// How often this queue dead-lettered it for this reason.
    pub count: u64,
}

/// The right to settle a delivery. Dropped unused, it requeues the message.
struct Settling {
    acker: Option<Acker>,
    /// Keeps the channel open, for a delivery can only be settled on its own channel.
    _channel: Arc<Channel>,
}

impl Delivery {
    pub(crate) fn new(received: lapin::message::Delivery, channel: Arc<Channel>) -> Self {
        let table = received.properties.headers().as_ref();
        Self {
            headers: table.map(string_headers).unwrap_or_default(),
            death: table.and_then(latest_death),
            body: Bytes::from(received.data),
            routing_key: received.routing_key.into(),
            redelivered: received.redelivered,
            settling: Settling { acker: Some(received.acker), _channel: channel },
        }
    }

    /// Acknowledges the message, and returns when the acknowledgement is written to the socket.
    ///
    /// # Errors
    /// [`Error::Disconnected`] when its connection is gone: the message will be redelivered. Not cancel safe: a dropped call may or may not
    /// have acknowledged.
    pub async fn ack(mut self) -> Result<(), Error> {
        let acker = self.settling.acker.take().ok_or(Error::Disconnected)?;
        sent(&acker, acker.ack(BasicAckOptions::default())).await
    }

    /// Rejects the message for good: it goes to the dead-letter exchange of its queue, or is dropped if there is none.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn reject(self) -> Result<(), Error> {
        self.refuse(false).await
    }

    /// Returns the message to its queue, which redelivers it, perhaps at once.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn requeue(self) -> Result<(), Error> {
        self.refuse(true).await
    }

    async fn refuse(mut self, requeue: bool) -> Result<(), Error> {
        let acker = self.settling.acker.take().ok_or(Error::Disconnected)?;
        sent(&acker, acker.reject(BasicRejectOptions { requeue })).await
    }

    /// Whether its connection is alive, so that it can be settled.
    pub(crate) fn is_live(&self) -> bool {
        self.settling.acker.as_ref().is_some_and(Acker::usable)
    }
}

/// Without the content, which may be confidential.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("routing_key", &self.routing_key)
            .field("redelivered", &self.redelivered)
            .field("death", &self.death)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        if let Some(acker) = self.acker.take() {
            // The first poll passes it to the connection, which does not need to be awaited.
            let options = BasicRejectOptions { requeue: true };
            let _ = acker.reject(options).now_or_never();
        }
    }
}

async fn sent(acker: &Acker, settled: impl Future<Output = lapin::Result<bool>>) -> Result<(), Error> {
    // `false` means that the channel was gone before, an error that it closed meanwhile.
    let settled = async { if settled.await.unwrap_or(false) { Ok(()) } else { Err(Error::Disconnected) } };
    while_alive(|| acker.usable(), settled).await
}

fn string_headers(table: &FieldTable) -> Vec<(String, String)> {
    table.into_iter().filter_map(|(key, value)| Some((key.to_string(), text(value)?))).collect()
}

/// The broker puts the latest entry first.
fn latest_death(table: &FieldTable) -> Option<Death> {
    let deaths = table.inner().get("x-death")?.as_array()?;
    let AMQPValue::FieldTable(latest) = deaths.as_slice().first()? else {
        return None;
    };
    let field = |name| latest.inner().get(name);
    Some(Death {
        queue: field("queue").and_then(text)?,
        reason: field("reason").and_then(text)?,
        count: field("count").and_then(count).unwrap_or(1),
    })
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

fn count(value: &AMQPValue) -> Option<u64> {
    match value {
        AMQPValue::LongLongInt(count) => u64::try_from(*count).ok(),
        AMQPValue::LongInt(count) => u64::try_from(*count).ok(),
        AMQPValue::LongUInt(count) => Some(u64::from(*count)),
        _ => None,
    }
}
