//! Declarations of queues, exchanges and bindings.
//!
//! They have a channel of their own, because the broker closes the channel of a declaration that it refuses. An existing queue is adopted
//! with whatever arguments it has: robots declare the same queues, and a second opinion would be a 406. A queue is never created without
//! its dead-letter side, which comes first.

use std::collections::HashSet;
use std::sync::Arc;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, ExchangeKind};

use crate::error::Fault;
use crate::topology::{QueueDepth, QueueProfile};
use crate::{Error, channel, names};

/// How often a profile is applied while others recreate the queue.
const APPLY_ATTEMPTS: u32 = 10;

/// Declares on one connection, one operation at a time.
///
/// Cancel safe: an operation takes the channel out and puts it back when it succeeded, so that the late refusal of an abandoned operation
/// cannot be mistaken for the answer to the next one.
pub(crate) struct Declarer {
    connection: Arc<Connection>,
    channel: Option<Channel>,
    dead_letters_ready: HashSet<&'static str>,
}

impl Declarer {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self { connection, channel: None, dead_letters_ready: HashSet::new() }
    }

    /// Adopts or creates `queue`, and ensures that its dead letters reach `dead_letter_queue`.
    ///
    /// The dead-letter side comes first: a queue never exists without it. It covers the exchanges of all profiles, because AMQP cannot
    /// query with which arguments an adopted queue was declared.
    pub(crate) async fn queue_ensure(&mut self, queue: &str, profile: QueueProfile, dead_letter_queue: &str) -> Result<QueueDepth, Error> {
        self.dead_letters_of(queue, dead_letter_queue).await?;
        self.queue_create(queue, profile).await
    }

    /// [`Declarer::queue_ensure`] for an existing queue: it is not created.
    pub(crate) async fn queue_adopt(&mut self, queue: &str, dead_letter_queue: &str) -> Result<QueueDepth, Error> {
        self.dead_letters_of(queue, dead_letter_queue).await?;
        self.queue_depth(queue).await
    }

    /// Ensures that the dead letters of `queue`, which need not exist yet, reach `dead_letter_queue`.
    pub(crate) async fn dead_letters_of(&mut self, queue: &str, dead_letter_queue: &str) -> Result<(), Error> {
        let name = names::name(queue)?;
        for exchange in QueueProfile::dead_letter_exchanges() {
            self.dead_letters_ensure(&name, exchange, dead_letter_queue).await?;
        }
        Ok(())
    }

    /// Adopts or creates `queue`, and leaves its dead letters to whoever publishes to it.
    pub(crate) async fn queue_create(&mut self, queue: &str, profile: QueueProfile) -> Result<QueueDepth, Error> {
        self.queue_adopt_or_create(&names::name(queue)?, profile.arguments()).await
    }

    /// [`Declarer::queue_apply_once`], again while another client recreates the queue at the same moment, to which it is missing.
    pub(crate) async fn queue_apply(&mut self, queue: &str, profile: QueueProfile) -> Result<Option<QueueDepth>, Error> {
        for _ in 1..APPLY_ATTEMPTS {
            match self.queue_apply_once(queue, profile).await {
                Err(Error::QueueNotFound { .. }) => {}
                applied => return applied,
            }
        }
        self.queue_apply_once(queue, profile).await
    }

    /// Creates `queue` by `profile`. An existing queue with other arguments is recreated if it is empty and has no consumer; otherwise it
    /// stays as it is, and `Some` has its depth.
    async fn queue_apply_once(&mut self, queue: &str, profile: QueueProfile) -> Result<Option<QueueDepth>, Error> {
        let name = names::name(queue)?;
        let missing = || Error::QueueNotFound { queue: queue.to_owned() };
        let durable = QueueDeclareOptions::durable;
        match self.queue_declare(&name, durable(), profile.arguments()).await {
            Ok(_) => return Ok(None),
            Err(Fault::Mismatch(_)) => {}
            Err(fault) => return Err(fault.or_missing(missing)),
        }
        let depth = self.queue_depth(queue).await?;
        if depth.messages > 0 || depth.consumers > 0 {
            return Ok(Some(depth));
        }
        match self.queue_delete_unused(&name).await {
            Ok(()) | Err(Fault::Missing) => {}
            // It is in use again.
            Err(Fault::Mismatch(_)) => return self.queue_depth(queue).await.map(Some),
            Err(fault) => return Err(fault.or_missing(missing)),
        }
        match self.queue_declare(&name, durable(), profile.arguments()).await {
            Ok(_) => Ok(None),
            // Another client was faster.
            Err(Fault::Mismatch(_)) => self.queue_depth(queue).await.map(Some),
            Err(fault) => Err(fault.or_missing(missing)),
        }
    }

    async fn queue_delete_unused(&mut self, queue: &ShortString) -> Result<(), Fault> {
        let channel = self.channel_take().await?;
        let options = QueueDeleteOptions { if_unused: true, if_empty: true, ..QueueDeleteOptions::default() };
        channel.queue_delete(queue.clone(), options).await?;
        self.channel = Some(channel);
        Ok(())
    }

    /// Binds `dead_letter_queue` to `exchange` for the dead letters of `queue`: a dead letter keeps its routing key, which is the name of
    /// its queue.
    async fn dead_letters_ensure(&mut self, queue: &ShortString, exchange: &'static str, dead_letter_queue: &str) -> Result<(), Error> {
        let collector = names::name(dead_letter_queue)?;
        if self.dead_letters_ready.contains(exchange) {
            match self.queue_bind(&collector, exchange, queue).await {
                // The exchange or the dead-letter queue was deleted meanwhile: create it again.
                Err(Fault::Missing) => self.dead_letters_ready.remove(exchange),
                bound => return bound.map_err(|fault| fault.or_missing(|| Error::Disconnected)),
            };
        }
        self.exchange_ensure(exchange, ExchangeKind::Direct).await?;
        self.queue_adopt_or_create(&collector, FieldTable::default()).await?;
        self.queue_bind(&collector, exchange, queue)
            .await
            .map_err(|fault| fault.or_missing(|| Error::QueueNotFound { queue: dead_letter_queue.to_owned() }))?;
        self.dead_letters_ready.insert(exchange);
        Ok(())
    }

    /// Adopts whatever exchange has this name, or creates a durable one.
    pub(crate) async fn exchange_ensure(&mut self, exchange: &str, kind: ExchangeKind) -> Result<(), Error> {
        let name = names::name(exchange)?;
        match self.exchange_declare(&name, kind.clone(), true).await {
            Ok(()) => return Ok(()),
            Err(Fault::Missing) => {}
            Err(fault) => return Err(fault.or_missing(|| Error::Disconnected)),
        }
        match self.exchange_declare(&name, kind.clone(), false).await {
            // Another client created it meanwhile, with another type.
            Err(Fault::Mismatch(_)) => self.exchange_declare(&name, kind, true).await,
            other => other,
        }
        .map_err(|fault| fault.or_missing(|| Error::Disconnected))
    }

    /// Depth of `queue`.
    pub(crate) async fn queue_depth(&mut self, queue: &str) -> Result<QueueDepth, Error> {
        let name = names::name(queue)?;
        self.queue_inspect(&name).await.map_err(|fault| fault.or_missing(|| Error::QueueNotFound { queue: queue.to_owned() }))
    }

    async fn queue_adopt_or_create(&mut self, queue: &ShortString, arguments: FieldTable) -> Result<QueueDepth, Error> {
        let missing = || Error::QueueNotFound { queue: queue.to_string() };
        match self.queue_inspect(queue).await {
            Ok(depth) => return Ok(depth),
            Err(Fault::Missing) => {}
            Err(fault) => return Err(fault.or_missing(missing)),
        }
        let options = QueueDeclareOptions::durable();
        match self.queue_declare(queue, options, arguments).await {
            // Another client created it meanwhile, with other arguments.
            Err(Fault::Mismatch(_)) => self.queue_inspect(queue).await,
            other => other,
        }
        .map_err(|fault| fault.or_missing(missing))
    }

    async fn queue_inspect(&mut self, queue: &ShortString) -> Result<QueueDepth, Fault> {
        let options = QueueDeclareOptions::default().passive();
        self.queue_declare(queue, options, FieldTable::default()).await
    }

    async fn queue_declare(
        &mut self,
        queue: &ShortString,
        options: QueueDeclareOptions,
        arguments: FieldTable,
    ) -> Result<QueueDepth, Fault> {
        let channel = self.channel_take().await?;
        let declared = channel.queue_declare(queue.clone(), options, arguments).await?;
        self.channel = Some(channel);
        Ok(QueueDepth::from(&declared))
    }

    async fn exchange_declare(&mut self, exchange: &ShortString, kind: ExchangeKind, passive: bool) -> Result<(), Fault> {
        let channel = self.channel_take().await?;
        let options = ExchangeDeclareOptions { passive, durable: !passive, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(exchange.clone(), kind, options, FieldTable::default()).await?;
        self.channel = Some(channel);
        Ok(())
    }

    async fn queue_bind(&mut self, queue: &ShortString, exchange: &'static str, routing_key: &ShortString) -> Result<(), Fault> {
        let channel = self.channel_take().await?;
        channel.queue_bind(queue.clone(), exchange.into(), routing_key.clone(), QueueBindOptions::default(), FieldTable::default()).await?;
        self.channel = Some(channel);
        Ok(())
    }

    async fn channel_take(&mut self) -> Result<Channel, Fault> {
        match self.channel.take() {
            Some(channel) if channel.status().connected() => Ok(channel),
            _ => Ok(channel::open(&self.connection).await?),
        }
    }
}
