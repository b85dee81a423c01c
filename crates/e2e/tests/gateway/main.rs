//! The gateway in front of upstreams that bend HTTP, and of real services.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's way to fail")]

mod admin;
mod answers;
mod apart;
mod bad_input;
mod edge;
mod ejection;
mod fake;
mod headers;
mod limits;
mod passing;
mod paths;
mod repeats;
mod streams;
mod tls;
