//! The agent against a hub made of a few lines, which can be away, busy or lose its answers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod bench;
mod ends;
mod full_disk;
mod hostile;
mod hub;
mod logs;
mod orders;
mod output;
mod parameters;
mod pauses;
mod queue;
mod restart;
mod robots;
mod room;
mod run_as;
mod stops;
mod support;
mod surroundings;
