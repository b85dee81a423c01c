//! The way of a job to a worker: its message, its queue, and what is said to workers about jobs they have.

mod control;
pub(crate) mod message;
mod publish;
mod queues;

pub(crate) use self::{
    control::Control,
    publish::{Publication, Publisher},
    queues::BrokerQueues,
};
