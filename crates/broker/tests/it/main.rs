//! The broker crate against a real RabbitMQ, whose URL is in `TEST_AMQP_URL`.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "every failing step fails the test")]

mod closing;
mod consuming;
mod dead_letters;
mod declaring;
mod events;
mod own_queues;
mod probing;
mod publishing;
mod reconnecting;
mod support;
mod transient;
