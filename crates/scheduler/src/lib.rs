//! Asks for jobs when they are due: owns schedules and calendars, and the triggers beside time.
//!
//! When something is due is decided by the pure rules of [`domain::schedule`]; the jobs are the orchestrator's, which this service asks like anybody
//! else, with an idempotency key for each run. What must hold: a slot of a schedule has one job, however many replicas run, and whichever of them
//! is killed when.
//!
//! ```
//! use runtime::Service as _;
//!
//! assert_eq!(scheduler::Service.name(), "scheduler");
//! ```

mod calendars;
mod chains;
mod hooks;
mod retention;
mod routes;
pub mod schedules;
mod service;
mod settings;

pub use self::{service::Service, settings::Settings};
