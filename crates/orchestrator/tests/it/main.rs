//! The orchestrator as a library, without the binary: over HTTP on a free port, on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's way to fail")]

mod app;
mod audit;
mod failures;
mod life;
mod limits;
mod pauses;
mod structure;
