#![doc = include_str!("../README.md")]

mod backoff;
mod broker;
mod channel;
mod consumer;
mod declarer;
mod delivery;
mod error;
mod link;
mod names;
mod publisher;
mod supervisor;
mod topology;

pub use crate::broker::Broker;
pub use crate::consumer::Consumer;
pub use crate::delivery::{Death, Delivery};
pub use crate::error::Error;
pub use crate::topology::{QueueDepth, QueueProfile, Topology};
