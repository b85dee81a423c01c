//! The whole system, on both back ends.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's way to fail")]

mod broker;
mod claims_beside_broker;
mod control;
mod dead_letters;
mod examples;
mod foreign;
mod layers;
mod limits;
mod recovery;
mod replicas;
