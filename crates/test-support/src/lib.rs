//! Shared by tests: a database per test, a job to add to it, the address of a broker, a proxy that can cut connections, a receiver of requests, an identity provider, polling with a
//! limit, and statistics.

mod audit;
mod database;
pub mod identity_provider;
mod jobs;
mod poll;
mod proxy;
mod receiver;
mod stats;

pub use self::{
    audit::change,
    database::{Backend, TestDatabase},
    identity_provider::IdentityProvider,
    jobs::new_job,
    poll::{eventually, eventually_within},
    proxy::Proxy,
    receiver::{Received, Receiver, Reply},
    stats::{median, percentile},
};

/// Address of the RabbitMQ that tests use.
///
/// # Errors
/// When `TEST_AMQP_URL` is not set; the text names the next step.
pub fn amqp_url() -> anyhow::Result<String> {
    server_variable("TEST_AMQP_URL")
}

/// Value of the variable `name` that `scripts/with-servers` sets for its servers.
///
/// # Errors
/// When it is not set; the text names the next step.
pub fn server_variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).map_err(|_| anyhow::anyhow!("{name} is not set: run this through `scripts/with-servers`, tests with `make test`"))
}
