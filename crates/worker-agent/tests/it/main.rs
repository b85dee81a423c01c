//! The agent against a hub of a few lines, which can be unreachable or busy or lose its answers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod bench;
mod control_messages;
mod disk_space;
mod ends;
mod full_disk;
mod hostile;
mod hub;
mod logs;
mod output;
mod parameters;
mod pauses;
mod queue;
mod restart;
mod robots;
mod run_as;
mod stops;
mod support;
mod surroundings;
