#![doc = include_str!("../README.md")]

mod agent;
mod backoff;
mod error;
mod folder;
mod held;
mod hub;
mod job;
mod line;
mod outbox;
mod process;
mod report;
mod runner;
mod settings;

pub use self::{
    agent::Agent,
    error::Error,
    folder::JobFolder,
    hub::{HubClient, HubError},
    job::{Job, Outcome, Stop, StopSignal},
    outbox::Outbox,
    process::ProcessRunner,
    runner::{RunContext, Runner},
    settings::{Auth, Settings, hostname},
};
