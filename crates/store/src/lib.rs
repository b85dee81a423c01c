//! The database: entities, one repository module per aggregate, transactions. The only user of sea-orm.
//!
//! One code path serves SQLite and PostgreSQL. Repository functions are noun then verb; `_in_txn` when the caller's transaction is passed.
//! Functions that get, list, find or count on behalf of a caller take the caller's [`domain::Scope`]. Functions without a scope carry it in
//! their names: `_unscoped`, for reconcilers, dispatch and the worker API, and `_in_txn`, for the writer.
//!
//! The crate knows nothing of HTTP, the broker or permissions.
//!
//! ```no_run
//! # async fn example() -> Result<(), store::Error> {
//! let database = store::Database::connect(&store::Settings::new("sqlite://regente.db")).await?;
//! database.migrate().await?;
//! let automations = store::automations::automation_list(&database, &domain::Scope::All, &Default::default()).await?;
//! # Ok(()) }
//! ```

pub mod alerts;
pub mod api_keys;
pub mod audit;
pub mod automations;
pub mod calendars;
pub mod chains;
pub mod changes;
pub mod channels;
mod database;
mod databases;
pub mod dead_letters;
mod dialect;
pub mod domains;
mod entity;
mod error;
pub mod grants;
pub mod hooks;
mod id_range;
pub mod identity;
pub mod job_events;
pub mod job_logs;
pub mod jobs;
pub mod notifications;
pub mod ops;
pub mod pending_sign_ins;
pub mod queues;
pub mod reconcilers;
pub mod report_plans;
pub mod reports;
pub mod retention;
pub mod schedules;
mod scope;
mod search;
pub mod secrets;
pub mod sessions;
pub mod signing_keys;
pub mod slas;
mod statement_text;
pub mod subjects;
pub mod user_identities;
pub mod users;
pub mod worker_tokens;
pub mod workers;

pub use self::{
    database::{Database, LazyTransaction, PoolState, Settings, Transaction},
    error::Error,
};
