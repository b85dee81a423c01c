#![doc = include_str!("../README.md")]

mod agent;
pub mod allocator;
mod backoff;
mod children;
pub mod doctor;
mod error;
mod folder;
mod folder_lock;
mod held;
mod host;
mod hub;
mod instance;
mod job;
mod lease_file;
mod line;
mod outbox;
mod process;
mod report;
mod robot_json;
mod runner;
mod settings;
mod signal;
mod supervisor;

pub use self::{
    agent::Agent,
    error::Error,
    folder::JobFolder,
    folder_lock::FolderLock,
    hub::{HubClient, HubError},
    job::{Claimed, Job, Outcome},
    outbox::Outbox,
    process::ProcessRunner,
    runner::{RunContext, Runner},
    settings::{Auth, RunAs, Scopes, Settings, hostname},
    signal::{PauseSignal, Stop, StopSignal},
    supervisor::{SUPERVISE, supervise_if_asked},
};
