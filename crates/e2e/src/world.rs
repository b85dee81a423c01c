use std::time::Duration;

use domain::automation::QueueProfile;
use regente::{Hub, HubOptions};
use runtime::{Section, Service, Settings, Shutdown};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use test_support::{Backend, Proxy, TestDatabase};
use tokio::task::JoinHandle;
use uuid::Uuid;
use worker_agent::{Agent, Auth, Runner};

use crate::Client;

/// How jobs reach workers, with the database that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// SQLite; workers claim over HTTP.
    Pull,
    /// PostgreSQL and RabbitMQ.
    Queue,
}

/// Which processes a hub is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Every service in one process.
    Together,
    /// One process per service, the gateway in front of the others.
    Apart,
}

impl Shape {
    /// What `TEST_SHAPE` says (`apart` or `together`), else together.
    ///
    /// # Panics
    /// When it says something else.
    #[must_use]
    pub fn of_environment() -> Self {
        match std::env::var("TEST_SHAPE").as_deref() {
            Err(_) | Ok("" | "together") => Self::Together,
            Ok("apart") => Self::Apart,
            Ok(other) => panic!("TEST_SHAPE must be apart or together, not {other}"),
        }
    }
}

/// Changes the settings of a hub.
pub type ChangeSettings = Box<dyn FnOnce(&mut Settings) + Send>;

/// What a test changes.
#[derive(Default)]
pub struct Options {
    /// Changes the settings before the start.
    pub settings: Option<ChangeSettings>,
    /// Options of the hub beside its settings.
    pub hub: HubOptions,
    /// Mounted beside those of the house.
    pub services: Vec<Box<dyn Service>>,
    /// Which processes; `None`: what the environment says.
    pub shape: Option<Shape>,
}

/// A hub with its database and a client, for one test.
pub struct World {
    /// How jobs reach workers.
    pub delivery: Delivery,
    /// The hub; apart, the orchestrator's process.
    pub hub: Hub,
    /// The gateway's process, when it is another.
    pub gateway: Option<Hub>,
    /// A client, signed in.
    pub client: Client,
    /// The settings it was started with.
    pub settings: Settings,
    /// A folder for the test's files.
    pub folder: TempDir,
    database: TestDatabase,
    /// Where workers reach the hub, whichever port it has after a restart. A port that was given up cannot be had again for sure:
    /// another test may take it, and a program that is just being started holds a copy of every socket of this process for a moment.
    front: Proxy,
    suffix: String,
}

/// A worker that runs in this process.
pub struct RunningWorker {
    shutdown: Shutdown,
    task: JoinHandle<Result<(), worker_agent::Error>>,
}

impl RunningWorker {
    /// Stops it in order, after its jobs.
    ///
    /// # Panics
    /// When it ended with an error.
    pub async fn stop(self) {
        self.shutdown.trigger();
        self.task.await.unwrap_or_else(|error| panic!("{error}")).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Ends it as a crash would: nothing is reported.
    pub fn crash(self) {
        self.task.abort();
    }

    /// [`RunningWorker::crash`], and waits until its work folder is free.
    pub async fn kill(self) {
        self.task.abort();
        let _aborted = self.task.await;
    }

    /// Whether it has ended by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

impl World {
    /// Starts a hub with short waits: leases of 3 s, a tick of 50 ms.
    pub async fn start(delivery: Delivery) -> Self {
        Self::start_with(delivery, Options::default()).await
    }

    /// Starts a hub with changes.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_with(delivery: Delivery, options: Options) -> Self {
        let shape = options.shape.unwrap_or_else(Shape::of_environment);
        let backend = match (delivery, shape) {
            (Delivery::Pull, Shape::Together) => Backend::Sqlite,
            // A file of SQLite is one process's.
            (Delivery::Queue, _) | (_, Shape::Apart) => Backend::Postgres,
        };
        let database = TestDatabase::create(backend).await.unwrap_or_else(|error| panic!("{error}"));
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let suffix = Uuid::new_v4().simple().to_string();
        let mut services = regente::services();
        services.extend(options.services);
        let sections: Vec<Section> = services.iter().filter_map(|service| service.section()).collect();
        let mut settings = settings(&database, delivery, &folder, (&suffix, &sections)).unwrap_or_else(|error| panic!("{error}"));
        if let Some(change) = options.settings {
            change(&mut settings);
        }
        let (hub, gateway) = start(&settings, options.hub, services, shape).await;
        let door = gateway.as_ref().unwrap_or(&hub);
        let client = client(door).await;
        let front = Proxy::start(address(door)).await.unwrap_or_else(|error| panic!("{error}"));
        Self { delivery, hub, gateway, client, settings, folder, database, front, suffix }
    }

    /// Stops the hub and starts another on the same database and data folder. Workers reach it where they reached the first.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(self) -> Self {
        let Self { delivery, hub, gateway, settings, folder, database, front, suffix, .. } = self;
        let shape = if gateway.is_some() { Shape::Apart } else { Shape::Together };
        hub.stop().await;
        if let Some(gateway) = gateway {
            gateway.stop().await;
        }
        let (hub, gateway) = start(&settings, HubOptions::default(), regente::services(), shape).await;
        let door = gateway.as_ref().unwrap_or(&hub);
        let client = client(door).await;
        front.switch(address(door));
        Self { delivery, hub, gateway, client, settings, folder, database, front, suffix }
    }

    /// Starts a second hub beside the first, on the same database and broker, and a client of it.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn replica(&self) -> (Hub, Client) {
        let mut settings = self.settings.clone();
        settings.data_dir = self.folder.path().join("replica");
        settings.worker.api_key = self.hub.worker_key().clone();
        let hub = Hub::start(settings, HubOptions::default()).await.unwrap_or_else(|error| panic!("{error:#}"));
        let client = client(&hub).await;
        (hub, client)
    }

    /// The process that people reach: the gateway's.
    #[must_use]
    pub fn door(&self) -> &Hub {
        self.gateway.as_ref().unwrap_or(&self.hub)
    }

    /// A queue name that no other test has.
    #[must_use]
    pub fn queue(&self, name: &str) -> String {
        format!("{name}-{}", self.suffix)
    }

    /// Where the hub is reached, whichever port it has after a restart.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.front.address())
    }

    /// Settings of a worker of this world.
    #[must_use]
    pub fn worker_settings(&self, queues: &[&str], slots: u32) -> worker_agent::Settings {
        let mut settings = worker_agent::Settings::new(self.url(), queues.iter().map(|queue| (*queue).to_owned()).collect());
        settings.auth = Auth::WorkerKey(self.hub.worker_key().clone());
        let name = format!("worker-{}", Uuid::new_v4().simple());
        settings.slots = slots;
        settings.supervisor = supervisor();
        settings.work_dir = self.folder.path().join(&name);
        settings.name = Some(name);
        settings.base_dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../..").into();
        settings.scripts = vec![self.folder.path().to_owned(), std::env::temp_dir()];
        settings.amqp = self.settings.broker_url().map(|url| url.expose_secret().to_owned());
        settings.drain = Duration::from_secs(10);
        settings.kill_grace = Duration::from_millis(500);
        settings
    }

    /// Starts a worker that runs real programs.
    pub fn worker(&self, queues: &[&str], slots: u32) -> RunningWorker {
        self.worker_with(self.worker_settings(queues, slots), None)
    }

    /// Starts a worker.
    ///
    /// # Panics
    /// When its settings are unusable.
    pub fn worker_with(&self, settings: worker_agent::Settings, runner: Option<std::sync::Arc<dyn Runner>>) -> RunningWorker {
        let agent = Agent::new(settings, runner).unwrap_or_else(|error| panic!("{error}"));
        let shutdown = Shutdown::default();
        let signal = shutdown.clone();
        let task = tokio::spawn(agent.run(async move { signal.wait().await }));
        RunningWorker { shutdown, task }
    }

    /// Stops the hub and drops the database.
    ///
    /// # Panics
    /// When the database stays.
    pub async fn end(self) {
        if let Some(gateway) = self.gateway {
            gateway.stop().await;
        }
        self.hub.stop().await;
        self.database.close().await.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Cargo builds it beside the tests, which are in a folder of their own.
fn supervisor() -> std::path::PathBuf {
    let test = std::env::current_exe().unwrap_or_else(|error| panic!("{error}"));
    test.ancestors()
        .skip(1)
        .map(|folder| folder.join("e2e-job-supervisor"))
        .find(|file| file.exists())
        .unwrap_or_else(|| panic!("no supervisor near {test:?}"))
}

/// The hub, and the gateway in front of it when they are apart.
async fn start(settings: &Settings, options: HubOptions, services: Vec<Box<dyn Service>>, shape: Shape) -> (Hub, Option<Hub>) {
    let is_edge = |service: &dyn Service| shape == Shape::Apart && service.name() == "api-gateway";
    let (edge, others): (Vec<_>, Vec<_>) = services.into_iter().partition(|service| is_edge(&**service));
    let hub = Hub::start_with(settings.clone(), options.clone(), others).await.unwrap_or_else(|error| panic!("{error:#}"));
    if edge.is_empty() {
        return (hub, None);
    }
    let mut settings = settings.clone();
    settings.data_dir = settings.data_dir.join("gateway");
    settings.worker.api_key = hub.worker_key().clone();
    settings.services.orchestrator = vec![hub.url()];
    let change = |gateway: &mut api_gateway::Settings| gateway.admin_bind.clear();
    settings.change_section(change).unwrap_or_else(|error| panic!("{error}"));
    let gateway = Hub::start_with(settings, options, edge).await.unwrap_or_else(|error| panic!("{error:#}"));
    (hub, Some(gateway))
}

fn address(hub: &Hub) -> String {
    hub.url().trim_start_matches("http://").to_owned()
}

async fn client(hub: &Hub) -> Client {
    let token = hub.access_token().await.unwrap_or_else(|error| panic!("{error}"));
    let key = hub.worker_key().expose_secret().to_owned();
    Client::new(hub.url(), token, key).unwrap_or_else(|error| panic!("{error}"))
}

fn settings(
    database: &TestDatabase,
    delivery: Delivery,
    folder: &TempDir,
    (suffix, sections): (&str, &[Section]),
) -> anyhow::Result<Settings> {
    let mut settings = Settings::load_with(None, sections)?;
    settings.data_dir = folder.path().join("data");
    settings.secrets.key_file = folder.path().join("master.key");
    std::fs::write(&settings.secrets.key_file, auth::secrets::MasterKeys::generate().expose_secret())?;
    settings.http.bind = "127.0.0.1:0".to_owned();
    settings.http.workers = 1;
    settings.database.url = database.settings().url.clone().into();
    settings.database.schema = database.settings().schema.clone().unwrap_or_default();
    settings.database.max_connections = 5;
    // Tests ask more often than people, all from one address.
    settings.edge.anonymous_per_minute = 1_000_000;
    settings.edge.sign_ins_per_minute = 1_000_000;
    settings.edge.person_per_minute = 1_000_000;
    settings.lease.agent = Duration::from_secs(3);
    settings.lease.foreign = Duration::from_secs(3);
    settings.lease.silent = Duration::from_secs(3);
    settings.lease.heartbeat = Duration::from_millis(500);
    settings.dispatch.tick = Duration::from_millis(50);
    // Most tests have no consumer that declares its queue.
    settings.dispatch.queue_profile = Some(QueueProfile::Regente);
    // Some tests bring a clock that goes by days.
    settings.auth.token_lifetime = Duration::from_secs(10 * 365 * 86_400);
    settings.auth.session_lifetime = settings.auth.token_lifetime;
    settings.auth.session_idle = settings.auth.token_lifetime;
    settings.admin.password = "admin-password-of-a-test".to_owned().into();
    if delivery == Delivery::Queue {
        settings.broker.url = test_support::amqp_url()?.into();
        settings.broker.dead_letter_queue = format!("regente.dead-letters.{suffix}");
    }
    Ok(settings)
}
