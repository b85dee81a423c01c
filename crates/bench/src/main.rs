//! Measures Regente against a hand-written minimum, the floor, beside a PostgreSQL and a RabbitMQ of its own.
//!
//! `bench run` measures and writes the report; the other commands are the processes that it starts. `docs/PERFORMANCE.md` says how each
//! figure is measured.

mod api;
mod child;
mod cli;
mod clock;
mod context;
mod document;
mod floor;
mod hub;
mod machine;
mod measure;
mod noop_worker;
mod probe_worker;
mod procfs;
mod report;
mod run;
mod servers;
mod stats;
mod table;
mod upstream;

use clap::Parser as _;
use tokio::runtime::Builder;

fn main() -> anyhow::Result<()> {
    let command = cli::Cli::parse().command;
    if matches!(command, cli::Command::NoopWorker(_) | cli::Command::ProbeWorker(_)) {
        worker_agent::allocator::settle();
    }
    // The workers run as `regente worker` does: on one thread.
    let mut builder = match command {
        cli::Command::Run(_) | cli::Command::Floor(_) => Builder::new_multi_thread(),
        cli::Command::NoopWorker(_) | cli::Command::ProbeWorker(_) | cli::Command::Upstream => Builder::new_current_thread(),
    };
    builder.enable_all().build()?.block_on(async {
        match command {
            cli::Command::Run(options) => run::run(options).await,
            cli::Command::Floor(options) => floor::run(options).await,
            cli::Command::NoopWorker(options) => noop_worker::run(options).await,
            cli::Command::ProbeWorker(options) => probe_worker::run(options).await,
            cli::Command::Upstream => upstream::run().await,
        }
    })
}
