//! Owns automations, jobs and workers: accepts executions, gives jobs to workers over the broker or by claim, takes their reports, and
//! recovers what got lost on the way.
//!
//! One service of the house, for whoever mounts it. All writes about jobs go through one writer, which lets concurrent requests share a
//! transaction; see `docs/ARCHITECTURE.md`.
//!
//! ```
//! let services: Vec<Box<dyn runtime::Service>> = vec![Box::new(orchestrator::Service)];
//! assert!(runtime::describe(&services).paths.paths.contains_key("/api/v1/jobs/{id}"));
//! ```

mod automations;
mod catalog;
mod dead_letters;
mod dispatch;
mod events;
mod jobs;
mod notices;
mod ops;
mod pages;
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
