//! Confirmed publishing: one task and one channel for everything that a connection publishes to queues.
//!
//! A caller learns that its message is routed only after the broker has confirmed it, and a message is never reported as routed when it was
//! returned. The task, and not each caller, waits for confirms: the channel numbers messages in the order in which they are written, and
//! only a look at all confirms shows which message was returned (see [`settlement`]). Every message that the task accepted gets a verdict,
//! or its reply is dropped with the connection.

mod ready;
mod settlement;

use std::sync::Arc;

use bytes::Bytes;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::{mpsc, oneshot, watch};

use self::ready::Ready;
use self::settlement::{Confirmed, Settlement};

pub(crate) use self::settlement::Verdict;

/// Messages queued ahead of the publish channel before callers wait.
pub(crate) const QUEUE_LIMIT: usize = 1024;

/// Maximum number of written but unconfirmed messages.
const IN_FLIGHT_LIMIT: usize = 4096;

/// Messages taken from the queue at once.
const BATCH: usize = 256;

const PERSISTENT: u8 = 2;

/// A message for the publish channel. A dropped `reply` reports a lost connection to its caller.
pub(crate) struct Message {
    pub(crate) queue: ShortString,
    pub(crate) headers: Option<FieldTable>,
    pub(crate) body: Bytes,
    pub(crate) reply: oneshot::Sender<Verdict>,
}

/// The task's state that outlives a channel.
pub(crate) struct Publisher {
    connection: Arc<Connection>,
    inbox: mpsc::Receiver<Message>,
    closing: watch::Receiver<bool>,
    next_id: u64,
}

/// Why publishing on one channel ended.
enum End {
    ChannelLost,
    Drained,
}

impl Publisher {
    pub(crate) fn new(connection: Arc<Connection>, inbox: mpsc::Receiver<Message>, closing: watch::Receiver<bool>) -> Self {
        Self { connection, inbox, closing, next_id: 0 }
    }

    /// Publishes until the connection is lost, or, once closing, until everything accepted is confirmed.
    pub(crate) async fn run(mut self, mut channel: Channel) {
        while let End::ChannelLost = self.publish_on(&channel).await {
            channel = match open(&self.connection).await {
                Ok(reopened) => reopened,
                Err(error) => {
                    tracing::debug!(%error, "publish channel cannot be reopened");
                    return;
                }
            };
        }
    }

    async fn publish_on(&mut self, channel: &Channel) -> End {
        let mut in_flight = Ready::default();
        let mut settlement = Settlement::default();
        let mut accepted = Vec::with_capacity(BATCH);
        let mut drained = false;
        while !(drained && in_flight.is_empty()) {
            tokio::select! {
                biased;
                outcomes = in_flight.next_ready(), if !in_flight.is_empty() => {
                    if let Err(error) = settle(&mut settlement, outcomes, in_flight.is_empty()) {
                        tracing::warn!(%error, "publish channel lost");
                        return End::ChannelLost;
                    }
                }
                () = closing(&mut self.closing), if !self.inbox.is_closed() => self.inbox.close(),
                count = self.inbox.recv_many(&mut accepted, BATCH),
                    if !drained && in_flight.len() < IN_FLIGHT_LIMIT =>
                {
                    drained = count == 0;
                    for message in accepted.drain(..) {
                        self.next_id += 1;
                        in_flight.push(send(channel, self.next_id, message));
                    }
                }
            }
        }
        End::Drained
    }
}

/// Resolves when the owner closes or drops the broker connection.
pub(crate) async fn closing(signal: &mut watch::Receiver<bool>) {
    // An error means that the owner was dropped.
    let _ = signal.wait_for(|closing| *closing).await;
}

/// Opens a channel in confirm mode.
pub(crate) async fn open(connection: &Connection) -> lapin::Result<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

/// Properties of every message.
pub(crate) fn json() -> BasicProperties {
    BasicProperties::default().with_content_type("application/json".into())
}

/// A confirm, or the end of the channel before it came.
type Outcome = lapin::Result<Confirmed<oneshot::Sender<Verdict>>>;

/// Writes one message and waits for its confirm.
async fn send(channel: &Channel, id: u64, message: Message) -> Outcome {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let mut properties = json().with_delivery_mode(PERSISTENT).with_message_id(id.to_string().into());
    if let Some(headers) = message.headers {
        properties = properties.with_headers(headers);
    }
    let confirm = channel.basic_publish(ShortString::default(), message.queue, options, &message.body, properties).await?;
    let confirmation = confirm.await?;
    Ok(Confirmed { id, acked: !confirmation.is_nack(), returned: returned_id(confirmation), reply: message.reply })
}

/// The id of the returned message that came along with a confirm, which need not be the confirmed one.
fn returned_id(confirmation: Confirmation) -> Option<u64> {
    let returned = confirmation.take_message()?;
    let id = returned.properties.message_id().as_ref()?;
    id.as_str().parse().ok()
}

/// Replies to the callers whose verdict is certain. An error means that the channel is gone.
fn settle(settlement: &mut Settlement<oneshot::Sender<Verdict>>, outcomes: Vec<Outcome>, idle: bool) -> lapin::Result<()> {
    let mut alive = Ok(());
    let mut confirmed = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        match outcome {
            Ok(message) => confirmed.push(message),
            Err(error) => alive = Err(error),
        }
    }
    for (reply, verdict) in settlement.settle(confirmed, idle && alive.is_ok()) {
        // The caller may have given up waiting.
        let _ = reply.send(verdict);
    }
    alive
}
