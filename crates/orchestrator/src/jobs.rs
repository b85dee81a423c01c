//! Jobs: accepted, read, watched, controlled, retried; and why they wait.

mod accept;
mod control;
mod convert;
mod follow;
mod live;
mod retry;
pub(crate) mod routes;
mod waiting;

pub(crate) use self::{
    accept::{Execution, KEY_HEADER, differs},
    follow::Followed,
    live::Live,
    retry::next_attempt,
    routes::{accepted, idempotency_key},
};
