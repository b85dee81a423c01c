//! The command line.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    regente::cli::Cli::parse().run()
}
