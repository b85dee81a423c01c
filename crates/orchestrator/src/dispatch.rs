//! The way of a job to a worker: which one is next, whether limits admit it, its message, its queue, and what workers are sent about jobs they
//! hold. Knows nothing of the writer, which decides with it and performs its effects after a commit.

mod claims;
mod control_messages;
pub(crate) mod message;
mod publish;
mod queues;
mod state;

pub(crate) use self::{
    claims::{Claim, ClaimReply, WaitingClaim},
    control_messages::ControlMessages,
    publish::{Publication, Publisher},
    queues::BrokerQueues,
    state::{DispatchState, Window},
};
