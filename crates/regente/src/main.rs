//! The command line.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    worker_agent::supervise_if_asked().unwrap_or_else(|| regente::cli::Cli::parse().run())
}
