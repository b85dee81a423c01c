//! A supervisor of jobs for agents in programs whose own `main` is not theirs, such as tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker_agent::supervise_if_asked().unwrap_or(ExitCode::FAILURE)
}
