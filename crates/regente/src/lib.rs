//! The `regente` binary and its parts: the hub in one process, the worker, the client commands, the demonstration.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let settings = regente::load_settings(None)?;
//! let hub = regente::Hub::start(settings, regente::HubOptions::default()).await?;
//! println!("http://127.0.0.1:{}", hub.port());
//! hub.stop().await;
//! # Ok(()) }
//! ```

mod audit;
pub mod cli;
mod commands;
mod connect;
mod data_dir;
mod demo;
mod examples;
mod hub;
mod local;
mod maintain;
mod master_key;
mod services;
mod terminal;
mod up;
mod work;

pub use self::{
    hub::{Hub, HubOptions},
    services::{api_doc, load_settings, services},
};
