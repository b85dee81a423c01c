//! Queues: what is in them, and their pauses.

mod convert;
mod pause;
pub(crate) mod routes;
