use std::time::Duration;

use api_types::Job;
use domain::{automation::QueueProfile, ids::JobId, waiting::WaitingCode};
use futures_util::future::join_all;
use regente::{Hub, HubOptions};
use runtime::{Section, Service, Settings, Shutdown};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use test_support::{Backend, Proxy, TestDatabase, eventually};
use tokio::task::JoinHandle;
use uuid::Uuid;
use worker_agent::{Agent, Auth, Runner};

use crate::{Client, Only, Shape};

/// How jobs reach workers, with the database that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// SQLite; workers claim over HTTP.
    Pull,
    /// PostgreSQL and RabbitMQ.
    Queue,
}

impl Delivery {
    /// This one, or, where services are apart, with the broker: events go between processes over it.
    #[must_use]
    pub fn with_events(self) -> Self {
        if Shape::of_environment() == Shape::Apart { Self::Queue } else { self }
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
    /// Mounted beside those of the house; apart, in the first orchestrator's process.
    pub services: Vec<Box<dyn Service>>,
    /// The one shape that the test is about; `None`: what the environment says.
    pub only: Option<Only>,
}

/// A hub with its database and a client, for one test.
pub struct World {
    /// How jobs reach workers.
    pub delivery: Delivery,
    /// The hub; apart, the first orchestrator's process.
    pub hub: Hub,
    /// The other orchestrators' processes, when they are apart.
    pub peers: Vec<Hub>,
    /// The gateways' processes, when they are apart.
    pub gateways: Vec<Hub>,
    /// A client, signed in. Its requests go to the gateways in turn.
    pub client: Client,
    /// The settings it was started with.
    pub settings: Settings,
    /// A folder for the test's files.
    pub folder: TempDir,
    database: TestDatabase,
    /// Where workers reach the gateways, each connection the next one, whichever ports they have after a restart. A port that was given up cannot
    /// be had again for sure: another test may take it, and a program that is just being started holds a copy of every socket of this process for
    /// a moment.
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
        let shape = options.only.map_or_else(Shape::of_environment, |only| only.0);
        let backend = match (delivery, shape) {
            (Delivery::Pull, Shape::Together) => Backend::Sqlite,
            // A file of SQLite is one process's.
            (Delivery::Queue, _) | (_, Shape::Apart) => Backend::Postgres,
        };
        let database = TestDatabase::create(backend).await.unwrap_or_else(|error| panic!("{error}"));
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let suffix = Uuid::new_v4().simple().to_string();
        let services = regente::services();
        let sections: Vec<Section> = services.iter().chain(&options.services).filter_map(|service| service.section()).collect();
        let mut settings = settings(&database, delivery, &folder, (&suffix, &sections)).unwrap_or_else(|error| panic!("{error}"));
        if let Some(change) = options.settings {
            change(&mut settings);
        }
        let processes = Processes::start(&settings, &options.hub, options.services, shape).await;
        let client = processes.client().await;
        let front = Proxy::start_before(processes.addresses()).await.unwrap_or_else(|error| panic!("{error}"));
        let Processes { hub, peers, gateways } = processes;
        Self { delivery, hub, peers, gateways, client, settings, folder, database, front, suffix }
    }

    /// Stops the hub and starts another on the same database and data folder. Workers reach it where they reached the first.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(self) -> Self {
        let Self { delivery, hub, peers, gateways, settings, folder, database, front, suffix, .. } = self;
        let shape = if gateways.is_empty() { Shape::Together } else { Shape::Apart };
        Processes { hub, peers, gateways }.stop().await;
        let processes = Processes::start(&settings, &HubOptions::default(), Vec::new(), shape).await;
        let client = processes.client().await;
        front.switch_to(processes.addresses());
        let Processes { hub, peers, gateways } = processes;
        Self { delivery, hub, peers, gateways, client, settings, folder, database, front, suffix }
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
        let client = client(&[&hub]).await;
        (hub, client)
    }

    /// A process that people reach: the first gateway's.
    #[must_use]
    pub fn door(&self) -> &Hub {
        self.gateways.first().unwrap_or(&self.hub)
    }

    /// A client of [`World::door`] alone, for what one gateway remembers.
    pub async fn client_of_door(&self) -> Client {
        client(&[self.door()]).await
    }

    /// A client of each orchestrator, around the gateways: of the hub alone, in one process.
    ///
    /// # Panics
    /// When no token is to be had.
    pub async fn orchestrators(&self) -> Vec<Client> {
        let token = self.door().access_token().await.unwrap_or_else(|error| panic!("{error}"));
        let of = |hub: &Hub| Client::new(hub.url(), token.clone(), String::new()).unwrap_or_else(|error| panic!("{error}"));
        self.peers.iter().chain([&self.hub]).map(of).collect()
    }

    /// Waits until each orchestrator knows of the pause that keeps this job: another than the one that was asked may start jobs for a tick.
    ///
    /// # Panics
    /// When one does not.
    pub async fn pause_is_known(&self, waiting: JobId) {
        for client in self.orchestrators().await {
            let knows = |job: &Job| {
                let code = job.waiting_reason.as_ref().map(|reason| reason.code);
                matches!(code, Some(WaitingCode::QueuePaused | WaitingCode::AutomationPaused))
            };
            client.job_when(waiting, "waits for the end of the pause", knows).await;
        }
    }

    /// Waits until a change counts for every request: in one process it does at once, with several replicas soon.
    ///
    /// # Panics
    /// When it does not.
    pub async fn everywhere(&self, what: &str, counts: impl AsyncFn() -> bool) {
        if self.gateways.is_empty() {
            assert!(counts().await, "{what}: at once, in one process");
            return;
        }
        // As many requests as there are ways: the client takes the gateways in turn, and a gateway the orchestrators.
        let ways = self.gateways.len() * (1 + self.peers.len());
        let on_each_way = async || {
            for _ in 0..ways {
                if !counts().await {
                    return None;
                }
            }
            Some(())
        };
        eventually(what, on_each_way).await;
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
        Processes { hub: self.hub, peers: self.peers, gateways: self.gateways }.stop().await;
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

/// The processes of a hub.
struct Processes {
    hub: Hub,
    peers: Vec<Hub>,
    gateways: Vec<Hub>,
}

impl Processes {
    async fn start(settings: &Settings, options: &HubOptions, extra: Vec<Box<dyn Service>>, shape: Shape) -> Self {
        let is_edge = |service: &dyn Service| service.name() == "api-gateway";
        let services = |edge: bool| regente::services().into_iter().filter(move |service| is_edge(&**service) == edge);
        if shape == Shape::Together {
            let all = regente::services().into_iter().chain(extra).collect();
            return Self { hub: started(settings.clone(), options, all).await, peers: Vec::new(), gateways: Vec::new() };
        }
        let another = |folder: &str| {
            let mut settings = settings.clone();
            settings.data_dir = settings.data_dir.join(folder);
            settings
        };
        // At the same moment, as a host starts them.
        let first = started(settings.clone(), options, services(false).chain(extra).collect());
        let (hub, peer) = tokio::join!(first, started(another("peer"), options, services(false).collect()));
        let gateway = |folder: &str| {
            let mut settings = another(folder);
            settings.services.orchestrator = vec![hub.url(), peer.url()];
            settings.services.scheduler.clone_from(&settings.services.orchestrator);
            settings.services.sla_monitor.clone_from(&settings.services.orchestrator);
            let change = |gateway: &mut api_gateway::Settings| gateway.admin_bind.clear();
            settings.change_section(change).unwrap_or_else(|error| panic!("{error}"));
            started(settings, options, services(true).collect())
        };
        let gateways = join_all(["gateway-1", "gateway-2"].map(gateway)).await;
        Self { hub, peers: vec![peer], gateways }
    }

    /// What people reach.
    fn doors(&self) -> Vec<&Hub> {
        if self.gateways.is_empty() { vec![&self.hub] } else { self.gateways.iter().collect() }
    }

    async fn client(&self) -> Client {
        client(&self.doors()).await
    }

    fn addresses(&self) -> Vec<String> {
        self.doors().into_iter().map(|hub| hub.url().trim_start_matches("http://").to_owned()).collect()
    }

    async fn stop(self) {
        join_all(self.gateways.into_iter().map(Hub::stop)).await;
        join_all(self.peers.into_iter().chain([self.hub]).map(Hub::stop)).await;
    }
}

async fn started(settings: Settings, options: &HubOptions, services: Vec<Box<dyn Service>>) -> Hub {
    Hub::start_with(settings, options.clone(), services).await.unwrap_or_else(|error| panic!("{error:#}"))
}

async fn client(doors: &[&Hub]) -> Client {
    let token = doors[0].access_token().await.unwrap_or_else(|error| panic!("{error}"));
    let key = doors[0].worker_key().expose_secret().to_owned();
    Client::of(doors.iter().map(|hub| hub.url()), &token, key).unwrap_or_else(|error| panic!("{error}"))
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
