//! Owns automations, jobs and workers: accepts executions, gives jobs to workers over the broker or by claim, takes their reports, and
//! recovers what got lost on the way.
//!
//! A library with routes ([`Orchestrator::routes`]) and background tasks ([`Orchestrator::start`]); knows nothing of who mounts it. All
//! writes about jobs go through one writer, which lets concurrent requests share a transaction; see `docs/ARCHITECTURE.md`.
//!
//! ```no_run
//! # async fn example(database: store::Database, settings: runtime::Settings) -> Result<(), store::Error> {
//! let parts = orchestrator::Parts { writer_database: database.clone(), database, broker: None, lease: settings.lease, dispatch: settings.dispatch, limits: settings.limits, retention: settings.retention, writes: Default::default(), refused: Default::default(), stream_patience: settings.http.stream_patience, clock: std::sync::Arc::new(chrono::Utc::now), steady_clock: Default::default() };
//! let shutdown = runtime::Shutdown::default();
//! let orchestrator = orchestrator::Orchestrator::start(parts, &shutdown).await?;
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

use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use self::{
    reconcilers::{Counts, Reconciler},
    routes::api_doc,
    service::{Orchestrator, Parts},
};

/// Tells the time. Tests bring their own.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;
