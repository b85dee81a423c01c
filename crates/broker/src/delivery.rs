//! Messages received, and what becomes of them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use lapin::options::{BasicAckOptions, BasicRejectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Acker, Channel};

use crate::Error;

/// A message received. It must be settled by [`Delivery::ack`], [`Delivery::reject`] or [`Delivery::requeue`]; one
/// that is dropped goes back to its queue.
pub struct Delivery {
    /// The message.
    pub body: Bytes,
    /// The key it was published with: the name of its queue, also for a message from the dead-letter queue.
    pub routing_key: String,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// The headers whose values are strings, such as `traceparent`.
    pub headers: Vec<(String, String)>,
    /// How it died, if it was dead-lettered.
    pub death: Option<Death>,
    settling: Settling,
}

/// The latest entry of the `x-death` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The queue the message died in.
    pub queue: String,
    /// Why: `rejected`, `expired`, `maxlen` or `delivery_limit`.
    pub reason: String,
    /// How often it died in this queue for this reason.
    pub count: u64,
}

/// The right to settle a delivery, given back to the broker when dropped unused.
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

    /// Tells the broker that the message is dealt with, and returns when that is written to the socket.
    ///
    /// # Errors
    /// [`Error::Disconnected`] when the connection it came over is gone: it will be delivered again. Not cancel safe:
    /// a dropped call may have acked, or not.
    pub async fn ack(mut self) -> Result<(), Error> {
        let acker = self.settling.acker.take().ok_or(Error::Disconnected)?;
        sent(acker.ack(BasicAckOptions::default()).await)
    }

    /// Refuses the message for good: it goes to the dead-letter exchange of its queue, or is dropped without one.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn reject(self) -> Result<(), Error> {
        self.refuse(false).await
    }

    /// Puts the message back into its queue, from where it is delivered again, perhaps at once.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn requeue(self) -> Result<(), Error> {
        self.refuse(true).await
    }

    async fn refuse(mut self, requeue: bool) -> Result<(), Error> {
        let acker = self.settling.acker.take().ok_or(Error::Disconnected)?;
        sent(acker.reject(BasicRejectOptions { requeue }).await)
    }

    /// Whether its connection still lives, so that it can be settled.
    pub(crate) fn is_live(&self) -> bool {
        self.settling.acker.as_ref().is_some_and(Acker::usable)
    }
}

/// Without the contents, which may be confidential.
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
            // The first poll hands it to the connection, which needs nobody to wait for it.
            let options = BasicRejectOptions { requeue: true };
            let _ = acker.reject(options).now_or_never();
        }
    }
}

/// `false` means that the channel was gone before, an error that it went meanwhile.
fn sent(result: lapin::Result<bool>) -> Result<(), Error> {
    match result {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Error::Disconnected),
    }
}

fn string_headers(table: &FieldTable) -> Vec<(String, String)> {
    table.into_iter().filter_map(|(key, value)| Some((key.to_string(), text(value)?))).collect()
}

/// The broker keeps the latest death first.
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
