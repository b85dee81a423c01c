//! Kills, suspends and disconnects every part of a busy Regente at random, and checks from outside that nothing was lost or done twice.
//!
//! Two hubs on one PostgreSQL and RabbitMQ, or two gateways, two orchestrators, two schedulers and two monitors; four agents, clients that repeat unanswered
//! requests, schedules that are due every few seconds, SLA rules with a receiver of their messages, robots that record what they do.
//! `docs/RELIABILITY.md` has the guarantees; [`check`] is that page as code. Run it by `make chaos`.

mod absence;
mod api;
mod check;
mod cli;
mod clock;
mod disk;
mod faults;
mod foreign;
mod form;
mod hostile;
mod inject;
mod journal;
mod load;
mod memory;
mod observer;
mod operator;
mod part;
mod plan;
mod recovery;
mod report;
mod rest;
mod robots;
mod rules;
mod run;
mod schedules;
mod servers;
mod shapes;
mod sqlite;
mod watchers;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<ExitCode> {
    run::run(cli::Cli::parse()).await
}
