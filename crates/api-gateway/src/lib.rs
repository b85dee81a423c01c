//! The edge: who signs in.
//!
//! Knows nothing of automations and jobs. A service like any other:
//!
//! ```
//! let services: Vec<Box<dyn runtime::Service>> = vec![Box::new(api_gateway::Service)];
//! assert!(runtime::describe(&services).paths.paths.contains_key("/api/v1/auth/login"));
//! ```

mod identity;
mod service;

pub use self::service::Service;
