//! The edge: who signs in, and how long a sign-in lasts.
//!
//! Knows nothing of automations and jobs. A service like any other:
//!
//! ```
//! let services: Vec<Box<dyn runtime::Service>> = vec![Box::new(api_gateway::Service)];
//! assert!(runtime::describe(&services).paths.paths.contains_key("/api/v1/auth/login"));
//! ```

mod account;
mod bootstrap;
mod guesses;
mod keys;
mod retention;
mod service;
mod sessions;
mod sign_in;

pub use self::{keys::rotate_signing_key, service::Service};
