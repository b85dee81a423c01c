//! What every service needs to run: settings, problem responses, request extractors, identity of callers, signals.
//!
//! Knows nothing of what a service does.
//!
//! ```
//! let settings = runtime::Settings::load(None)?;
//! assert_eq!(settings.http.bind, "127.0.0.1:8080");
//! # Ok::<(), runtime::SettingsError>(())
//! ```

mod access;
mod body;
mod extract;
mod json;
mod pool;
mod problem;
mod refused_keys;
mod settings;
mod shutdown;
mod steady_clock;
mod worker_tokens;
mod write_health;

pub use self::{
    access::{Access, Bearer, Credential, Management, WorkerCaller, WorkerLimits, check_worker_token},
    body::Bodies,
    extract::{JsonBody, OpenJsonBody, OptionalJsonBody, Params, path_config},
    pool::Pool,
    problem::{Failure, Unmatched, unmatched},
    refused_keys::RefusedKeys,
    settings::{
        Admin, Auth, Broker, Database, Dispatch, Http, LeaseSettings, Limits, LocalWorker, Log, Retention, Settings, SettingsError,
        WorkerSettings,
    },
    shutdown::Shutdown,
    steady_clock::SteadyClock,
    worker_tokens::WorkerTokens,
    write_health::WriteHealth,
};
