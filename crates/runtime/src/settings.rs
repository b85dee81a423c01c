// Before the modules that use it.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }
    };
}

mod http;
mod list;
mod load;
mod oidc;
mod optional_profile;
mod print;
mod section;
mod time;

use std::{path::PathBuf, time::Duration};

use domain::automation::QueueProfile;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use telemetry::LogFormat;

use self::section::Sections;
pub use self::{
    http::{EdgeSettings, Http},
    list::networks,
    oidc::{MissingGroups, NewUsers, Oidc, is_safe_url},
    section::{Section, SectionSettings},
    time::Time,
};

/// All settings. Read from the embedded defaults, then `regente.toml`, then the environment.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// Folder for files that are not in the database.
    pub data_dir: PathBuf,
    /// Time zones.
    pub time: Time,
    /// HTTP server.
    pub http: Http,
    /// What the process lets in, and how often.
    pub edge: EdgeSettings,
    /// Where services of other processes are.
    pub services: Services,
    /// Database.
    pub database: Database,
    /// Broker.
    pub broker: Broker,
    /// Sign-in.
    pub auth: Auth,
    /// Sign-in with an identity provider.
    pub oidc: Oidc,
    /// What secrets in the database are sealed with.
    pub secrets: SecretSettings,
    /// First administrator.
    pub admin: Admin,
    /// Workers: the shared key, and the local worker.
    pub worker: WorkerSettings,
    /// When a worker counts as lost.
    pub lease: LeaseSettings,
    /// How jobs are dispatched.
    pub dispatch: Dispatch,
    /// Limits of a single job.
    pub limits: Limits,
    /// Retention of ended jobs and their logs.
    pub retention: Retention,
    /// Log.
    pub log: Log,
    /// Sections of single services.
    #[serde(flatten)]
    sections: Sections,
}

section!(
    /// Where services of other processes are: base URLs of each.
    Services {
        /// The orchestrator.
        #[serde(deserialize_with = "list::texts")]
        orchestrator: Vec<String>,
        /// The scheduler.
        #[serde(deserialize_with = "list::texts")]
        scheduler: Vec<String>,
        /// The SLA monitor.
        #[serde(deserialize_with = "list::texts")]
        sla_monitor: Vec<String>,
    }
);
section!(
    /// Database.
    Database {
        /// `sqlite://…` or `postgres://…`; empty: SQLite in the data folder.
        #[serde(skip_serializing)]
        url: SecretString,
        /// Maximum number of connections, besides at most two of the writer.
        max_connections: u32,
        /// Maximum time to wait for a connection.
        #[serde(with = "humantime_serde")]
        acquire_timeout: Duration,
        /// Time limit of a statement (PostgreSQL).
        #[serde(with = "humantime_serde")]
        statement_timeout: Duration,
        /// PostgreSQL schema; empty: the server's default.
        schema: String,
    }
);
section!(
    /// Broker.
    Broker {
        /// `amqp://…`; empty: none.
        #[serde(skip_serializing)]
        url: SecretString,
        /// Queue for dead-lettered messages.
        dead_letter_queue: String,
    }
);
section!(
    /// Sign-in.
    Auth {
        /// Lifetime of an access token.
        #[serde(with = "humantime_serde")]
        token_lifetime: Duration,
        /// A session expires after this long without a refresh.
        #[serde(with = "humantime_serde")]
        session_idle: Duration,
        /// Maximum lifetime of a session.
        #[serde(with = "humantime_serde")]
        session_lifetime: Duration,
    }
);
section!(
    /// What secrets in the database are sealed with.
    SecretSettings {
        /// File with master keys; empty: `REGENTE_MASTER_KEY`, or a file in the data folder.
        key_file: PathBuf,
    }
);
section!(
    /// First administrator.
    Admin {
        /// User name.
        username: String,
        /// Password; empty: generated at the first start.
        #[serde(skip_serializing)]
        password: SecretString,
    }
);
/// Whether the hub's process runs a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalWorker {
    /// If there is no broker and the server is bound to a loopback address.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

section!(
    /// Workers: the shared key, and the local worker.
    WorkerSettings {
        /// The shared key; empty: generated at the first start.
        #[serde(skip_serializing)]
        api_key: SecretString,
        /// Whether this process runs a worker for every queue.
        local: LocalWorker,
    }
);
section!(
    /// When a worker counts as lost.
    LeaseSettings {
        /// Lease of a registered worker.
        #[serde(with = "humantime_serde")]
        agent: Duration,
        /// Lease of a worker without our agent that polls for cancellation.
        #[serde(with = "humantime_serde")]
        foreign: Duration,
        /// Lease of a worker without our agent that does not poll.
        #[serde(with = "humantime_serde")]
        silent: Duration,
        /// Time between heartbeats of registered workers.
        #[serde(with = "humantime_serde")]
        heartbeat: Duration,
    }
);
section!(
    /// How jobs are dispatched.
    Dispatch {
        /// Undelivered messages per broker queue while no registered worker reports slots.
        window: usize,
        /// Undelivered messages beyond the free slots of registered workers.
        lookahead: usize,
        /// Time after which an unconfirmed message is published again.
        #[serde(with = "humantime_serde")]
        sweep_after: Duration,
        /// Maximum time for an unregistered worker to acknowledge a message.
        #[serde(with = "humantime_serde")]
        consumer_timeout: Duration,
        /// Profile for queues of automations without one; `None`: their workers declare them.
        #[serde(with = "optional_profile")]
        queue_profile: Option<QueueProfile>,
        /// How often the hub checks for due work.
        #[serde(with = "humantime_serde")]
        tick: Duration,
        /// Maximum number of requests that wait for the database.
        queue_limit: usize,
    }
);
section!(
    /// Limits of a single job.
    Limits {
        /// Maximum number of stored log lines per job.
        log_lines: i64,
        /// Maximum size of the stored log per job, in bytes.
        log_bytes: i64,
    }
);
section!(
    /// Retention times; zero: unlimited.
    Retention {
        /// Ended jobs.
        #[serde(with = "humantime_serde")]
        jobs: Duration,
        /// Log lines and events of jobs.
        #[serde(with = "humantime_serde")]
        logs: Duration,
        /// Dead letters.
        #[serde(with = "humantime_serde")]
        dead_letters: Duration,
        /// Deliveries to inbound webhooks.
        #[serde(with = "humantime_serde")]
        hook_deliveries: Duration,
    }
);
section!(
    /// Log.
    Log {
        /// Format of a line.
        format: LogFormat,
        /// Filter: `info`, `info,orchestrator=debug` …
        filter: String,
    }
);

impl Services {
    /// Every service that can be elsewhere, with its addresses.
    fn all(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        [("orchestrator", &*self.orchestrator), ("scheduler", &*self.scheduler), ("sla-monitor", &*self.sla_monitor)].into_iter()
    }

    /// The addresses of the service of this name.
    #[must_use]
    pub fn addresses(&self, name: &str) -> &[String] {
        self.all().find(|(service, _)| *service == name).map_or(&[], |(_, addresses)| addresses)
    }
}

fn is_base_url(text: &str) -> bool {
    let Ok(url) = text.parse::<actix_web::http::Uri>() else { return false };
    let is_plain =
        url.authority().is_some_and(|authority| !authority.as_str().contains('@')) && url.host().is_some_and(|host| !host.is_empty());
    matches!(url.scheme_str(), Some("http" | "https")) && is_plain && url.path() == "/" && url.query().is_none()
}

/// Minimum retention: a typing error must not delete data that people need.
const RETENTION_LEAST: Duration = Duration::from_secs(3600);
/// Maximum retention.
const RETENTION_MOST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Every fault of the settings.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct SettingsError(pub Vec<String>);

impl Settings {
    /// The section of a service.
    ///
    /// # Errors
    /// When the settings were read without that section: see [`Settings::load_with`].
    pub fn section<T: SectionSettings>(&self) -> Result<std::sync::Arc<T>, SettingsError> {
        self.sections.get().ok_or_else(|| SettingsError(vec![format!("the settings were read without the section \"{}\"", T::NAME)]))
    }

    /// Changes the section of a service: for programs that start one themselves, such as tests.
    ///
    /// # Errors
    /// As [`Settings::section`].
    pub fn change_section<T: SectionSettings + Clone>(&mut self, change: impl FnOnce(&mut T)) -> Result<(), SettingsError> {
        let mut section = (*self.section::<T>()?).clone();
        change(&mut section);
        self.sections.set(section);
        Ok(())
    }

    /// The database's URL, with the default filled in.
    #[must_use]
    pub fn database_url(&self) -> SecretString {
        if self.database.url.expose_secret().is_empty() {
            return SecretString::from(format!("sqlite://{}", self.data_dir.join("regente.db").display()));
        }
        self.database.url.clone()
    }

    /// Whether the log filter is the default.
    #[must_use]
    pub fn has_default_filter(&self) -> bool {
        load::DEFAULTS.contains(&format!("filter = \"{}\"", self.log.filter))
    }

    /// Whether the database is the SQLite file of the data folder.
    #[must_use]
    pub fn database_url_is_default(&self) -> bool {
        self.database.url.expose_secret().is_empty()
    }

    /// The broker's URL, if there is a broker.
    #[must_use]
    pub fn broker_url(&self) -> Option<&SecretString> {
        Some(&self.broker.url).filter(|url| !url.expose_secret().is_empty())
    }

    /// Whether this process runs the local worker.
    #[must_use]
    pub fn has_local_worker(&self) -> bool {
        match self.worker.local {
            LocalWorker::On => true,
            LocalWorker::Off => false,
            LocalWorker::Auto => self.broker_url().is_none() && self.is_loopback(),
        }
    }

    /// Whether the server speaks TLS.
    #[must_use]
    pub fn tls_is_on(&self) -> bool {
        self.http.has_certificate()
    }

    /// Whether the server is bound to a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.http.bind.rsplit_once(':').map_or(self.http.bind.as_str(), |(host, _)| host);
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Faults of values that have the right type; each begins with its key.
    fn faults(&self) -> Vec<String> {
        let mut faults = [self.time.faults(), self.http.faults(), self.edge.faults(), self.oidc.faults()].concat();
        let mut check = |fine: bool, text: &str| {
            if !fine {
                faults.push(text.to_owned());
            }
        };
        let database = self.database_url();
        let database = database.expose_secret();
        check(
            ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| database.starts_with(scheme)),
            "database.url must begin with sqlite:// or postgres://",
        );
        let broker = self.broker.url.expose_secret();
        check(
            broker.is_empty() || broker.starts_with("amqp://") || broker.starts_with("amqps://"),
            "broker.url must begin with amqp:// or amqps://",
        );
        for (service, nth, address) in
            self.services.all().flat_map(|(name, all)| all.iter().zip(1..).map(move |(address, nth)| (name, nth, address)))
        {
            // The address is not repeated: a password may be in it.
            let message = format!("services.{service}: address {nth} must be http://HOST:PORT or https://HOST:PORT, without user or path");
            check(is_base_url(address), &message);
        }
        check(!self.http.stream_patience.is_zero(), "http.stream_patience must not be zero");
        check((2..=1000).contains(&self.database.max_connections), "database.max_connections must be 2 to 1000");
        check(
            !self.lease.heartbeat.is_zero() && self.lease.heartbeat * 2 <= self.lease.agent,
            "lease.agent must be at least twice lease.heartbeat",
        );
        check(!self.lease.foreign.is_zero(), "lease.foreign must not be zero");
        check(!self.lease.silent.is_zero(), "lease.silent must not be zero");
        check(self.dispatch.tick >= Duration::from_millis(10), "dispatch.tick must be at least 10ms");
        let (lease, dispatch) = (&self.lease, &self.dispatch);
        for (key, time) in [
            ("http.stream_patience", self.http.stream_patience),
            ("lease.agent", lease.agent),
            ("lease.foreign", lease.foreign),
            ("lease.silent", lease.silent),
            ("lease.heartbeat", lease.heartbeat),
            ("dispatch.sweep_after", dispatch.sweep_after),
            ("dispatch.consumer_timeout", dispatch.consumer_timeout),
            ("dispatch.tick", dispatch.tick),
        ] {
            check(time <= RETENTION_MOST, &format!("{key} must be at most 100years"));
        }
        check(self.dispatch.window <= 100_000, "dispatch.window must be at most 100000");
        check(self.dispatch.queue_limit >= 1, "dispatch.queue_limit must be at least 1");
        check((100..=1_000_000_000).contains(&self.limits.log_lines), "limits.log_lines must be 100 to 1000000000");
        check((1 << 16..=1 << 40).contains(&self.limits.log_bytes), "limits.log_bytes must be 64 KiB to 1 TiB");
        let Retention { jobs, logs, dead_letters, hook_deliveries } = self.retention.clone();
        for (key, kept) in [("jobs", jobs), ("logs", logs), ("dead_letters", dead_letters), ("hook_deliveries", hook_deliveries)] {
            let fine = kept.is_zero() || (RETENTION_LEAST..=RETENTION_MOST).contains(&kept);
            check(fine, &format!("retention.{key} must be 1h to 100years, or 0s to keep everything"));
        }
        let auth = &self.auth;
        let day = Duration::from_secs(86_400);
        check((Duration::from_secs(1)..=day).contains(&auth.token_lifetime), "auth.token_lifetime must be 1s to 24h");
        check(auth.session_idle >= auth.token_lifetime, "auth.session_idle must be at least auth.token_lifetime");
        check(auth.session_lifetime >= auth.session_idle, "auth.session_lifetime must be at least auth.session_idle");
        check(auth.session_lifetime <= RETENTION_MOST, "auth.session_lifetime must be at most 100years");
        check(!self.admin.username.is_empty(), "admin.username must not be empty");
        if let Err(error) = telemetry::check_filter(&self.log.filter) {
            faults.push(format!("log.filter: {error}"));
        }
        faults
    }
}
