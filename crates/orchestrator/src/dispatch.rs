//! The way of a job to a worker: which one is next, whether limits admit it, its message, its queue, and what workers are sent about jobs they
//! hold. Knows nothing of the writer, which decides with it and performs its effects after a commit.

mod admission;
mod claims;
mod control_messages;
mod findings;
pub(crate) mod message;
pub(crate) mod overlap;
mod publish;
mod queues;
pub(crate) mod select;
mod state;

pub(crate) use self::{
    admission::{Counted, Uncounted},
    claims::{Claim, ClaimReply, check_claim},
    control_messages::{ControlMessage, ControlMessages},
    findings::Findings,
    publish::{Publication, Publisher},
    queues::BrokerQueues,
    state::{DispatchState, Window},
};
