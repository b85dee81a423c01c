//! Names and arguments of the queues and exchanges that the hub declares.
//!
//! The arguments of a profile are a wire contract: robots declare the same queues, and RabbitMQ answers 406 to other arguments. So a
//! profile never gains or loses an argument; a new need is a new profile. Dead letters keep their routing key, which is why the dead-letter
//! queue is bound once per queue name.

use lapin::types::{AMQPValue, FieldTable};

/// The arguments a queue is created with. Robots that declare the same queue must pass the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueProfile {
    /// Durable, `x-dead-letter-exchange=regente.dlx`.
    Regente,
    /// Durable, `x-dead-letter-exchange=maestro.dlx`.
    Maestro,
    /// Durable, no arguments: rejected messages are dropped.
    Plain,
}

impl QueueProfile {
    /// Name of the exchange the queue's dead letters go to.
    pub fn dead_letter_exchange(self) -> Option<&'static str> {
        match self {
            QueueProfile::Regente => Some("regente.dlx"),
            QueueProfile::Maestro => Some("maestro.dlx"),
            QueueProfile::Plain => None,
        }
    }

    /// The dead-letter exchanges of all profiles.
    pub(crate) fn dead_letter_exchanges() -> impl Iterator<Item = &'static str> {
        [Self::Regente, Self::Maestro, Self::Plain].into_iter().filter_map(Self::dead_letter_exchange)
    }

    /// The arguments to declare the queue with.
    pub(crate) fn arguments(self) -> FieldTable {
        let mut arguments = FieldTable::default();
        if let Some(exchange) = self.dead_letter_exchange() {
            arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(exchange.into()));
        }
        arguments
    }
}

/// Names of the queue and exchange that all queues share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// Durable queue that collects the dead letters of all queues.
    pub dead_letter_queue: String,
    /// Durable topic exchange for events.
    pub event_exchange: String,
}

impl Default for Topology {
    fn default() -> Self {
        Self { dead_letter_queue: "regente.dead-letters".to_owned(), event_exchange: "regente.events".to_owned() }
    }
}

/// Depth of a queue at the moment of the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueDepth {
    /// Messages ready to be delivered. Unacknowledged deliveries do not count.
    pub messages: u32,
    /// Subscribed consumers.
    pub consumers: u32,
}

impl From<&lapin::Queue> for QueueDepth {
    fn from(queue: &lapin::Queue) -> Self {
        Self { messages: queue.message_count(), consumers: queue.consumer_count() }
    }
}
