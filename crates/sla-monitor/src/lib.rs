//! Watches expectations by the wall clock, also of what never started, and tells the right people once.
//!
//! Rules are evaluated from the state of the database; what they find becomes an alert, one for each rule and subject; what happens to an alert
//! becomes a notification to the channels that want it. Each step is written in one transaction with what it follows from, and may be repeated.
//!
//! ```
//! use runtime::Service as _;
//!
//! assert_eq!(sla_monitor::Service.name(), "sla-monitor");
//! ```

mod alerts;
mod channels;
mod evaluate;
mod heartbeat;
mod notifications;
mod reports;
mod retention;
mod routes;
mod rules;
mod senders;
mod service;
mod settings;

pub use self::{service::Service, settings::Settings};
