//! What services share, against real databases and a real broker.

mod events;
mod reconcile;
