//! A hub process: the data folder, the connections, and the selected services.

use std::ops::Deref;

use anyhow::{Context as _, anyhow, bail};
use runtime::{Clock, Clocks, Context, Host, Parts, Service, Settings, SteadyClock};
use secrecy::ExposeSecret;

use crate::{connect, data_dir::DataDir, master_key, services};

/// File with the shared worker key, for programs on this machine.
const WORKER_KEY: &str = "worker-key";

/// Options that are not settings.
#[derive(Clone)]
pub struct HubOptions {
    /// Whether every caller may do everything.
    pub insecure_dev: bool,
    /// The time.
    pub clock: Clock,
    /// The clock behind it; a test may replace `clock` only.
    pub steady_clock: SteadyClock,
}

impl Default for HubOptions {
    fn default() -> Self {
        let Clocks { now, steady } = Clocks::default();
        Self { insecure_dev: false, clock: now, steady_clock: steady }
    }
}

/// A running hub process.
pub struct Hub {
    host: Host,
    data: DataDir,
}

impl Hub {
    /// Starts all services.
    ///
    /// # Errors
    /// As [`Hub::start_with`].
    pub async fn start(settings: Settings, options: HubOptions) -> anyhow::Result<Self> {
        Self::start_with(settings, options, services()).await
    }

    /// Opens the data folder and the database, migrates, connects to the broker, and serves `services`.
    ///
    /// # Errors
    /// One sentence with the cause: a port in use, a folder that cannot be written, an unreachable or locked database.
    pub async fn start_with(settings: Settings, options: HubOptions, services: Vec<Box<dyn Service>>) -> anyhow::Result<Self> {
        let HubOptions { insecure_dev, clock, steady_clock } = options;
        if insecure_dev && !settings.is_loopback() {
            bail!("--insecure-dev opens everything to everybody and serves only on this machine: http.bind is {}", settings.http.bind);
        }
        let listener = std::net::TcpListener::bind(&settings.http.bind)
            .with_context(|| format!("cannot serve on {}: is another program using the address?", settings.http.bind))?;
        let data = DataDir::open(&settings.data_dir, settings.database_url().expose_secret().starts_with("sqlite:"))?;
        let generates_key = settings.worker.api_key.expose_secret().is_empty();
        let database = connect::database(&settings).await?;
        let master_keys = if generates_key || services.iter().any(|service| service.needs_secrets()) {
            master_key::given_or_made(&settings, &data, &database).await?
        } else {
            master_key::given(&settings)?
        };
        let context = Context::new(Parts {
            worker_key: if generates_key { data.secret(WORKER_KEY)? } else { None },
            master_keys,
            database,
            store: connect::store_settings(&settings),
            broker: connect::broker(&settings)?,
            clocks: Clocks { now: clock, steady: steady_clock },
            elsewhere: services::elsewhere(&services, &settings.services),
            services: services.iter().map(|service| service.name().to_owned()).collect(),
            insecure_dev,
            settings,
        })
        .await?;
        if generates_key {
            data.keep_secret(WORKER_KEY, &context.worker_key)?;
        }
        Ok(Self { host: Host::start(listener, context, &services).await.map_err(|error| anyhow!(error))?, data })
    }

    /// The data folder.
    #[must_use]
    pub fn data_dir(&self) -> &std::path::Path {
        self.data.path()
    }

    /// Stops it gracefully.
    pub async fn stop(self) {
        self.host.stop().await;
    }
}

impl Deref for Hub {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}
