//! Supervises the jobs of the agents in this crate's tests, whose own programs are the tests'.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker_agent::supervise_if_asked().unwrap_or(ExitCode::FAILURE)
}
