//! Owns automations, jobs and workers: accepts jobs, dispatches them to workers over the broker or by claim, receives their reports, and
//! recovers lost jobs.
//!
//! It is one service of the hub. All writes of jobs go through one writer, which lets concurrent requests share a transaction; see
//! `docs/ARCHITECTURE.md`.
//!
//! ```
//! let services: Vec<Box<dyn runtime::Service>> = vec![Box::new(orchestrator::Service)];
//! assert!(runtime::describe(&services).paths.paths.contains_key("/api/v1/jobs/{id}"));
//! ```

mod automations;
mod catalog;
mod dead_letters;
mod dispatch;
mod domains;
mod events;
mod jobs;
mod notices;
mod ops;
mod queues;
mod reconcilers;
mod refresh;
mod roster;
mod routes;
mod service;
mod text;
mod watchers;
mod worker_api;
mod workers;
mod writer;

pub use self::service::Service;
