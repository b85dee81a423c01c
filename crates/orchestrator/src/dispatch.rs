//! Dispatch: which job is next, whether limits admit it, its message and queue, and control messages about held jobs. It does not know the
//! writer, which uses it to decide inside a transaction and performs its effects after the commit.

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
