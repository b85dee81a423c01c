//! The whole system, on both back ends.

mod broker;
mod examples;
mod foreign;
mod layers;
mod limits;
mod recovery;
