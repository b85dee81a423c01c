//! The frame of a service: its definition ([`Service`]), its dependencies ([`Context`]: database, broker, clock, events, named tasks,
//! reconcilers), and its server ([`Host`]); also settings, problem responses, request extractors and access control.
//!
//! The crate does not know what a service does, and services know each other only through it.
//!
//! ```
//! let settings = runtime::Settings::load(None)?;
//! assert_eq!(settings.http.bind, "127.0.0.1:8080");
//! # Ok::<(), runtime::SettingsError>(())
//! ```

mod access;
mod body;
mod calendars;
mod caller;
mod clock;
mod edge;
mod ended;
pub mod events;
mod extract;
mod first_start;
mod host;
mod identities;
mod intake;
mod json;
pub mod outbound;
mod pages;
mod path;
mod peers;
mod pool;
mod problem;
mod process_metrics;
mod reach;
pub mod reconcile;
mod refused_keys;
mod replica;
mod requests;
mod secrets;
mod service;
mod settings;
mod shutdown;
mod tasks;
mod worker_tokens;
mod write_health;
mod zones;

pub use self::{
    access::{Access, Allowed, Changing, Credential, Editor, Known, OwnAccount, SignedIn, Source, WorkerCaller},
    body::{Bodies, RawBody},
    calendars::CalendarCache,
    caller::{Origin, TrustedProxies, caller_address},
    clock::{Clock, Clocks, SteadyClock},
    edge::{Edge, REQUEST_ID_HEADER, is_secure},
    ended::{EndedJobs, EndedReader},
    events::Events,
    extract::{FileBody, JsonBody, OpenFormBody, OpenJsonBody, OpenOptionalJsonBody, OptionalJsonBody, Params, path_config},
    host::{Host, Route, describe},
    identities::{Caller, Identities, Person},
    intake::{Ask, Intake, JobIntake},
    pages::{page, page_size},
    pool::Pool,
    problem::{Failure, OVERLAP_SKIPPED, Unmatched, unmatched},
    reach::reach,
    reconcile::{Counts, Reconciler, Reconcilers},
    refused_keys::RefusedKeys,
    replica::Replica,
    secrets::{Secrets, SecretsError},
    service::{Context, ContextError, Elsewhere, Parts, Running, Service, StartError},
    settings::{
        Admin, Auth, Broker, Database, Dispatch, EdgeSettings, Http, LeaseSettings, Limits, LocalWorker, Log, MissingGroups, NewUsers,
        Oidc, Retention, SecretSettings, Section, SectionSettings, Services, Settings, SettingsError, Time, WorkerSettings, is_safe_url,
        networks,
    },
    shutdown::Shutdown,
    tasks::{TaskError, TaskState, TaskStatus, Tasks},
    worker_tokens::WorkerTokens,
    write_health::WriteHealth,
    zones::ZonesError,
};
pub use telemetry::{RequestIds, current_request, metrics};
