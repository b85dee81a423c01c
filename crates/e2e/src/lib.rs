//! A hub with its database, workers and a client, for one test.
//!
//! The same tests run on the embedded default (SQLite, jobs claimed over HTTP) and on PostgreSQL with RabbitMQ; see [`Delivery`];
//! and they run with all services in one process, or with two orchestrators behind two gateways; see [`Shape`].

#![expect(clippy::panic, reason = "a test's way to fail")]

mod client;
mod robots;
mod shape;
mod world;

pub use self::{
    client::{Answer, Client},
    robots::{GatedRunner, Robots},
    shape::{Only, Shape},
    world::{ChangeSettings, Delivery, Options, RunningWorker, World},
};

/// Defines each test twice, in the modules `embedded` and `clustered`.
#[macro_export]
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test($crate::Delivery::Pull).await; })*
        }
        mod clustered {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test($crate::Delivery::Queue).await; })*
        }
    };
}
