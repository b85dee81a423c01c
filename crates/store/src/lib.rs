//! The database: entities, one repository module per aggregate, transactions. The only user of sea-orm in the house.
//!
//! One code path serves SQLite and PostgreSQL. Repository functions are noun then verb; `_in_txn` when the caller's transaction is passed.
//! Whoever gets, lists, finds or counts for somebody passes that one's [`domain::Scope`]. What reads for everybody says so: `_unscoped`, for
//! reconcilers, dispatch and the worker API, and `_in_txn`, for the writer.
//!
//! Knows nothing of HTTP, queues or who may do what.
//!
//! ```no_run
//! # async fn example() -> Result<(), store::Error> {
//! let database = store::Database::connect(&store::Settings::new("sqlite://regente.db")).await?;
//! database.migrate().await?;
//! let automations = store::automations::automation_list(&database, &domain::Scope::All, &Default::default()).await?;
//! # Ok(()) }
//! ```

pub mod automations;
pub mod changes;
mod database;
pub mod dead_letters;
mod dialect;
mod entity;
mod error;
pub mod identity;
pub mod job_events;
pub mod job_logs;
pub mod jobs;
pub mod ops;
pub mod queues;
pub mod reconcilers;
pub mod retention;
mod scope;
pub mod secrets;
mod statement_text;
pub mod worker_tokens;
pub mod workers;

pub use self::{
    database::{Database, LazyTransaction, Settings, Transaction},
    error::Error,
};
