//! What services share, against real databases and a real broker.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's way to fail")]

mod events;
mod reconcile;
