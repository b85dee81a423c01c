//! What the tests share: a database of their own, a job to add to it, the address of a broker, a proxy that can cut connections, polling
//! with a limit, and the middle of many figures.

mod database;
mod jobs;
mod poll;
mod proxy;
mod stats;

pub use self::{
    database::{Backend, TestDatabase},
    jobs::new_job,
    poll::{eventually, eventually_within},
    proxy::Proxy,
    stats::{median, percentile},
};

/// Address of the RabbitMQ that tests use.
///
/// # Errors
/// Says what to do when `TEST_AMQP_URL` is not set.
pub fn amqp_url() -> anyhow::Result<String> {
    server_variable("TEST_AMQP_URL")
}

/// What `scripts/with-servers` tells of its servers under `name`.
///
/// # Errors
/// Says what to do when it is not set.
pub fn server_variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).map_err(|_| anyhow::anyhow!("{name} is not set: run this through `scripts/with-servers`, tests with `make test`"))
}
