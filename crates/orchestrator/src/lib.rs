//! Owns automations, jobs and workers: accepts executions, gives jobs to workers over the broker or by claim, takes their reports, and
//! recovers what got lost on the way.
//!
//! A library with routes ([`Orchestrator::routes`]) and background tasks ([`Orchestrator::start`]); knows nothing of who mounts it. All
//! writes about jobs go through one writer, which lets concurrent requests share a transaction; see `docs/ARCHITECTURE.md`.
//!
//! ```no_run
//! # async fn example(context: runtime::Context) -> Result<(), store::Error> {
//! let orchestrator = orchestrator::Orchestrator::start(&context).await?;
//! let app = actix_web::App::new().configure(orchestrator.routes());
//! # Ok(()) }
//! ```

mod automations;
mod dead_letters;
mod dispatch;
mod events;
mod jobs;
mod notices;
mod ops;
mod pages;
mod queues;
mod reconcilers;
mod routes;
mod service;
mod text;
mod watchers;
mod worker_api;
mod workers;
mod writer;

pub use self::{routes::api_doc, service::Orchestrator};
