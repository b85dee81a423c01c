//! The client against a server that answers as a test says.

#![expect(clippy::unwrap_used, reason = "every failing step fails the test")]

mod calls;
mod follow;
mod lists;
mod routes;
mod server;
