//! The whole system, on both back ends.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's way to fail")]

mod broker;
mod cancels;
mod claims_beside_broker;
mod clock;
mod control;
mod dead_letters;
mod drain;
mod events;
mod examples;
mod foreign;
mod intake;
mod keys;
mod labels;
mod layers;
mod limits;
mod lost_messages;
mod names;
mod orders;
mod pages;
mod pauses;
mod queue_profiles;
mod recovery;
mod replicas;
mod results;
mod retention;
mod retries;
mod schedule_jobs;
mod schedules;
mod secrets;
mod services;
mod shapes;
mod support;
