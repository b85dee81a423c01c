//! `regente worker`.

mod args;
mod doctor;
mod install;
mod secrets;
mod unit;

use std::process::ExitCode;

use anyhow::Context;
use runtime::Shutdown;
use worker_agent::Agent;

pub(crate) use self::args::WorkerArgs;
use self::args::{WorkerCommand, WorkerOptions};

/// Runs the worker until a signal, or a subcommand.
pub(crate) fn run(args: WorkerArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        None => work(args.queues, args.options).map(|()| ExitCode::SUCCESS),
        Some(WorkerCommand::Install(args)) => install::run(&args).map(|()| ExitCode::SUCCESS),
        Some(WorkerCommand::Doctor(args)) => doctor::run(*args),
        Some(WorkerCommand::Hub(command)) => Ok(crate::commands::run_workers(command)),
    }
}

fn work(queues: Vec<String>, mut options: WorkerOptions) -> anyhow::Result<()> {
    secrets::receive(&mut options)?;
    telemetry::init(&options.log, options.log_format)?;
    let mut settings = options.settings(queues)?;
    settings.reaps_orphans = true;
    runtime()?.block_on(async {
        let shutdown = Shutdown::default();
        shutdown.on_signals()?;
        let agent = Agent::new(settings, None)?;
        let stopped = shutdown.clone();
        agent.run(async move { stopped.wait().await }).await?;
        Ok(())
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")
}
