use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    middleware::{DefaultHeaders, from_fn},
    web,
};
use anyhow::{Context as _, bail};
use api_gateway::{Bootstrap, Gateway};
use auth::{SharedKey, Tokens};
use broker::{Broker, Topology};
use orchestrator::Orchestrator;
use runtime::{Access, Bodies, Clock, Clocks, Context, Counts, Parts, Settings, Shutdown, SteadyClock, Unmatched, WorkerTokens};
use secrecy::{ExposeSecret, SecretString};
use store::Database;
use tokio::task::JoinHandle;
use utoipa::openapi::PathItem;

use crate::data_dir::{self, DataDir};

/// How long open requests may take to end at a stop, in seconds.
const DRAIN_S: u64 = 10;
/// How long tasks may take to end after that.
const TASKS_END_WITHIN: Duration = Duration::from_secs(5);

/// What is not in the settings.
#[derive(Clone)]
pub struct HubOptions {
    /// Everybody may do everything.
    pub insecure_dev: bool,
    /// The time.
    pub clock: Clock,
    /// The clock behind it, unless a test brings another.
    pub steady_clock: SteadyClock,
}

impl Default for HubOptions {
    fn default() -> Self {
        let Clocks { now, steady } = Clocks::default();
        Self { insecure_dev: false, clock: now, steady_clock: steady }
    }
}

/// All services in one process, serving.
pub struct Hub {
    address: SocketAddr,
    bootstrap: Bootstrap,
    worker_key: SecretString,
    tokens: Tokens,
    admin: String,
    context: Context,
    handle: ServerHandle,
    server: JoinHandle<std::io::Result<()>>,
    data: DataDir,
}

impl Hub {
    /// Opens the data folder and the database, migrates, connects to the broker, and serves.
    ///
    /// # Errors
    /// One sentence that says what is in the way: a taken port, a folder that cannot be written, a database out of reach or locked.
    pub async fn start(settings: Settings, options: HubOptions) -> anyhow::Result<Self> {
        if options.insecure_dev && !settings.is_loopback() {
            bail!("--insecure-dev opens everything to everybody and serves only on this machine: http.bind is {}", settings.http.bind);
        }
        let listener = std::net::TcpListener::bind(&settings.http.bind)
            .with_context(|| format!("cannot serve on {}: is another program using the address?", settings.http.bind))?;
        let address = listener.local_addr()?;
        let data = DataDir::open(&settings.data_dir)?;
        let database = open_database(&settings).await?;
        let bootstrap = api_gateway::bootstrap_admin(&database, &settings.admin).await?;
        let tokens = tokens(&database, &settings).await?;
        let worker_key = worker_key(&data, &settings)?;
        let broker = connect_broker(&settings)?;
        let clocks = Clocks { now: options.clock.clone(), steady: options.steady_clock };
        let services = vec!["api-gateway".to_owned(), "orchestrator".to_owned()];
        let parts =
            Parts { settings: settings.clone(), database: database.clone(), store: store_settings(&settings), broker, clocks, services };
        let context = Context::new(parts).await?;
        let orchestrator = Orchestrator::start(&context).await?;
        context.start_replica();
        let gateway =
            Gateway::new(database.clone(), context.writes.clone(), context.broker.clone(), tokens.clone(), vec![orchestrator::api_doc()]);
        let access = Access {
            tokens: tokens.clone(),
            worker_key: SharedKey::new(&worker_key),
            worker_tokens: WorkerTokens::new(database.clone(), options.clock),
            refused: context.refused.clone(),
            open: options.insecure_dev,
        };
        let server = serve(listener, &settings, (orchestrator, gateway, access))?;
        let handle = server.handle();
        let server = tokio::spawn(server);
        Ok(Self { address, bootstrap, worker_key, tokens, admin: settings.admin.username, context, handle, server, data })
    }

    /// The port it serves on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where it is reached from this machine: the address it is bound to, or loopback when it is bound to all.
    #[must_use]
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.port()))
    }

    /// What the first start has to tell.
    #[must_use]
    pub const fn bootstrap(&self) -> &Bootstrap {
        &self.bootstrap
    }

    /// The workers' key.
    #[must_use]
    pub const fn worker_key(&self) -> &SecretString {
        &self.worker_key
    }

    /// An access token for the administrator, for programs of this process.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn access_token(&self) -> anyhow::Result<String> {
        Ok(self.tokens.issue(&self.admin, std::time::SystemTime::now())?)
    }

    /// Runs a reconciler once, for tests that drive recovery.
    ///
    /// # Errors
    /// When there is none of that name, or it fails.
    pub async fn reconcile(&self, name: &str) -> anyhow::Result<Counts> {
        let outcome = self.context.reconcilers.run_once(name).await.with_context(|| format!("no reconciler \"{name}\""))?;
        outcome.map_err(|error| anyhow::anyhow!(error))
    }

    /// The database, for tests that look into it.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.context.database
    }

    /// The data folder.
    #[must_use]
    pub fn data_dir(&self) -> &std::path::Path {
        self.data.path()
    }

    /// Tells it to end; [`Hub::stop`] waits for that.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.context.shutdown.clone()
    }

    /// Ends: no new requests, those under way are answered, then the connections are closed.
    pub async fn stop(self) {
        self.context.shutdown.trigger();
        self.handle.stop(true).await;
        match self.server.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "server ended badly"),
            Err(error) => tracing::warn!(%error, "server task ended badly"),
        }
        self.context.close(TASKS_END_WITHIN).await;
    }
}

fn serve(
    listener: std::net::TcpListener,
    settings: &Settings,
    (orchestrator, gateway, access): (Orchestrator, Gateway, Access),
) -> anyhow::Result<actix_web::dev::Server> {
    let bodies = Bodies::new(&settings.http);
    let access = web::Data::new(access);
    let unmatched = web::Data::new(Unmatched::new(documented_routes()));
    let app = move || {
        App::new()
            .app_data(access.clone())
            .app_data(runtime::path_config())
            .app_data(bodies.clone())
            .configure(gateway.routes())
            .configure(orchestrator.routes())
            .app_data(unmatched.clone())
            .default_service(web::to(runtime::unmatched))
            .wrap(from_fn(runtime::identify))
            // No answer is a page, and what it says may be secret or out of date soon.
            .wrap(DefaultHeaders::new().add(("x-content-type-options", "nosniff")).add(("cache-control", "no-store")))
    };
    let server = HttpServer::new(app)
        .workers(settings.http.workers)
        .disable_signals()
        .shutdown_timeout(DRAIN_S)
        .keep_alive(Duration::from_secs(75))
        // Whoever hangs up does not wait for an answer: a claim of a worker that is gone must not get a job.
        .h1_allow_half_closed(false)
        .listen(listener)
        .context("cannot serve")?;
    Ok(server.run())
}

/// Every path of the API with its methods.
fn documented_routes() -> Vec<(String, Vec<String>)> {
    let methods = |item: PathItem| {
        let operations = [("delete", item.delete), ("get", item.get), ("post", item.post), ("put", item.put), ("patch", item.patch)];
        operations.into_iter().filter(|(_, operation)| operation.is_some()).map(|(method, _)| method.to_owned()).collect()
    };
    api_doc().paths.paths.into_iter().map(|(path, item)| (path, methods(item))).collect()
}

/// Opens the database and brings its schema up to date.
pub(crate) async fn open_database(settings: &Settings) -> anyhow::Result<Database> {
    data_dir::keep_database_private(settings.database_url().expose_secret())?;
    let database = Database::connect(&store_settings(settings)).await.context("cannot open the database")?;
    database.migrate().await.map_err(|error| {
        let held = matches!(error, store::Error::Conflict(_) | store::Error::Unavailable(_));
        let hint = if held { ": is another program holding it?" } else { "" };
        anyhow::Error::new(error).context(format!("cannot bring the database's schema up to date{hint}"))
    })?;
    Ok(database)
}

fn store_settings(settings: &Settings) -> store::Settings {
    store::Settings {
        max_connections: settings.database.max_connections,
        acquire_timeout: settings.database.acquire_timeout,
        statement_timeout: settings.database.statement_timeout,
        schema: Some(settings.database.schema.clone()).filter(|schema| !schema.is_empty()),
        ..store::Settings::new(settings.database_url().expose_secret())
    }
}

async fn tokens(database: &Database, settings: &Settings) -> anyhow::Result<Tokens> {
    let secret = store::identity::instance_setting_get_or_insert(database, "jwt_secret", &auth::random_secret(64)).await?;
    Ok(Tokens::new(&secret, settings.auth.token_lifetime))
}

fn worker_key(data: &DataDir, settings: &Settings) -> anyhow::Result<SecretString> {
    let configured = &settings.worker.api_key;
    if configured.expose_secret().is_empty() {
        return Ok(data.secret("worker-key", || auth::random_secret(43))?.into());
    }
    Ok(configured.clone())
}

fn connect_broker(settings: &Settings) -> anyhow::Result<Option<Broker>> {
    let Some(url) = settings.broker_url() else { return Ok(None) };
    let topology = Topology { dead_letter_queue: settings.broker.dead_letter_queue.clone(), ..Topology::default() };
    let broker = Broker::connect_with(url.expose_secret(), "regente-hub", topology).context("broker.url")?;
    Ok(Some(broker))
}

/// The description of the whole API.
#[must_use]
pub fn api_doc() -> utoipa::openapi::OpenApi {
    api_gateway::api_doc(vec![orchestrator::api_doc()])
}
