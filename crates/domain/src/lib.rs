//! The rules of Regente as pure functions: what a job may do next, when it is retried, what a valid automation is.
//!
//! No IO, no async, no clock: the time, new ids and jitter are arguments, so that every rule can be tested as a table.
//!
//! ```
//! use domain::job::{Job, Caller, StartOutcome};
//! use chrono::{TimeDelta, Utc};
//! use uuid::Uuid;
//!
//! let mut job = Job::pending(Uuid::now_v7().into());
//! let started = job.start(&Caller::default(), Uuid::now_v7(), TimeDelta::seconds(30), Utc::now())?;
//! assert_eq!(started, StartOutcome::Started);
//! # Ok::<(), domain::job::Refusal>(())
//! ```

pub mod alert;
pub mod audit;
pub mod automation;
pub mod business_domain;
pub mod calendar;
pub mod chain;
pub mod condition;
pub mod duration;
pub mod fault;
pub mod forecast;
pub mod health;
pub mod hook;
pub mod ids;
pub mod job;
pub mod json;
pub mod log;
pub mod notification;
pub mod permission;
pub mod policy;
pub mod report;
pub mod retry;
pub mod schedule;
pub mod schema;
pub mod scope;
pub mod single_sign_on;
pub mod sla;
pub mod text;
pub mod user;
pub mod waiting;
pub mod wire;
pub mod worker;

pub use self::{fault::Fault, scope::Scope};
