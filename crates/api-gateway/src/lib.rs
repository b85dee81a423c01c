//! The edge: who signs in, how long a sign-in lasts, and which requests go to services in other processes.
//!
//! Independent of automations and jobs. A service like any other:
//!
//! ```
//! let services: Vec<Box<dyn runtime::Service>> = vec![Box::new(api_gateway::Service)];
//! assert!(runtime::describe(&services).paths.paths.contains_key("/api/v1/auth/login"));
//! ```

mod account;
mod admin;
mod api_keys;
mod audit;
mod bootstrap;
mod guesses;
mod keys;
mod live;
mod oidc;
mod people;
mod proxy;
mod retention;
mod service;
mod sessions;
mod settings;
mod sign_in;

pub use self::{keys::rotate_signing_key, service::Service, settings::Settings};
