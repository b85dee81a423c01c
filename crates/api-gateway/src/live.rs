//! Live events: what happens in the hub, as server-sent events and over WebSockets.
//!
//! One hub per process reads the bus while somebody watches, and hands each event to the readers that asked for it and may see it. What it
//! must hold: a reader misses nothing unnoticed, because a client that reconnects gets exactly what followed its last event, or a `reset`;
//! nobody receives an event that was published after they lost the right to see it; memory is bounded, because a reader that does not read is
//! disconnected; without watchers, nothing is done.
//!
//! Ids are this process's own: `<replica>-<number>`. With several gateways each receives the events in its own order, so that a client that
//! comes back to another one gets a `reset` and reads the state again.

mod filter;
mod frame;
mod hub;
mod reader;
pub(crate) mod routes;
mod sight;
mod state;
pub(crate) mod websocket;
mod window;

pub(crate) use self::hub::Live;
