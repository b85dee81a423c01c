use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use api_types::AutomationCreate;
use domain::{
    automation::{EntrypointType, QueueProfile},
    retry::{Backoff, RetryPolicy},
};
use test_support::Proxy;
use tokio::time::{Instant, sleep};

use crate::{
    api::Api,
    journal::Journal,
    observer::Observer,
    part::{Part, Program, tail},
    robots,
    servers::{Server, Servers, at},
};

/// Replicas of the hub.
pub(crate) const HUBS: usize = 2;
/// Agents; the first half takes messages, the second half claims.
pub(crate) const AGENTS: usize = 4;
/// The kind of job that takes no time.
const FAST: &str = "fast";
const SLOTS: usize = 5;
/// How long leases last here.
pub(crate) const LEASE: Duration = Duration::from_secs(5);
/// The queue whose jobs come as messages, and the one whose jobs are claimed.
pub(crate) const QUEUES: [&str; 2] = ["chaos.messages", "chaos.claims"];
pub(crate) const DEAD_LETTERS: &str = "regente.dead-letters";
const WORKER_KEY: &str = "chaos-worker-key-0123456789abcdef";
const PASSWORD: &str = "chaos-password-0123456789";
const START_LIMIT: Duration = Duration::from_secs(60);

/// A hub with its ways to the servers.
pub(crate) struct Hub {
    pub(crate) part: Arc<Part>,
    pub(crate) address: String,
    pub(crate) database: Proxy,
    pub(crate) broker: Proxy,
}

/// An agent with its ways to a hub and to the broker.
pub(crate) struct Agent {
    pub(crate) part: Arc<Part>,
    pub(crate) hub: Proxy,
    /// The hub that it is led to.
    pub(crate) at: std::sync::atomic::AtomicUsize,
    pub(crate) broker: Proxy,
}

/// Jobs of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) automation: i32,
    pub(crate) name: String,
    pub(crate) queue: usize,
    /// Least and most quarters of a second that its program takes.
    pub(crate) quarters: (u32, u32),
    /// First attempts that fail on purpose.
    pub(crate) failures: u32,
    pub(crate) max_attempts: u32,
    pub(crate) max_concurrency: Option<i64>,
    /// Most jobs with one concurrency key at once, when they have one.
    pub(crate) key_limit: Option<i64>,
    /// How often, against the others.
    pub(crate) weight: u32,
}

/// Everything that runs.
pub(crate) struct World {
    pub(crate) servers: Servers,
    pub(crate) folder: PathBuf,
    pub(crate) hubs: Vec<Hub>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) api: Api,
    pub(crate) observer: Observer,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) journal: Arc<Journal>,
}

impl World {
    /// Starts everything on an empty database: both hubs at the same moment, then the agents.
    pub(crate) async fn start(regente: &Path, folder: &Path, journal: Arc<Journal>) -> Result<Self> {
        let servers = Servers::from_env()?;
        robots::write(folder)?;
        std::fs::create_dir_all(books(folder))?;
        let mut hubs = Vec::new();
        for number in 0..HUBS {
            hubs.push(hub(regente, folder, &servers, number, journal.clone()).await?);
        }
        let mut api = Api::new(hubs.iter().map(|hub| format!("http://{}", hub.address)).collect())?;
        await_health(&api, folder).await?;
        api.login("admin", PASSWORD).await?;
        let observer = Observer::new(&servers.database_url)?;
        observer.watch().await.context("the trigger cannot be made")?;
        let shapes = register(&api, folder).await?;
        let mut agents = Vec::new();
        for number in 0..AGENTS {
            agents.push(agent(regente, folder, &servers, (number, &hubs[number % HUBS].address), journal.clone()).await?);
        }
        observer.registered(AGENTS, START_LIMIT).await.context("the agents did not register")?;
        Ok(Self { servers, folder: folder.to_owned(), hubs, agents, api, observer, shapes, journal })
    }

    /// Where the robots write down what they do.
    pub(crate) fn books(&self) -> PathBuf {
        books(&self.folder)
    }

    /// Asks every process to end: agents first, then hubs.
    pub(crate) async fn stop(&self) -> Result<()> {
        futures_util::future::try_join_all(self.agents.iter().map(|agent| agent.part.stop())).await?;
        futures_util::future::try_join_all(self.hubs.iter().map(|hub| hub.part.stop())).await?;
        Ok(())
    }
}

fn books(folder: &Path) -> PathBuf {
    folder.join("books")
}

async fn hub(regente: &Path, folder: &Path, servers: &Servers, number: usize, journal: Arc<Journal>) -> Result<Hub> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let database = Proxy::start(servers.address(Server::Postgres)?).await?;
    let broker = Proxy::start(servers.address(Server::Rabbitmq)?).await?;
    let name = format!("hub-{number}");
    let set = |key: &str, value: String| (format!("REGENTE__{key}"), value);
    let environment = vec![
        set("HTTP__BIND", address.clone()),
        set("DATABASE__URL", at(&servers.database_url, database.address())?),
        set("BROKER__URL", at(&servers.amqp_url, broker.address())?),
        set("BROKER__DEAD_LETTER_QUEUE", DEAD_LETTERS.to_owned()),
        set("WORKER__API_KEY", WORKER_KEY.to_owned()),
        set("ADMIN__PASSWORD", PASSWORD.to_owned()),
        set("DATA_DIR", folder.join(&name).join("data").display().to_string()),
        set("LEASE__AGENT", format!("{}s", LEASE.as_secs())),
        set("LEASE__FOREIGN", format!("{}s", LEASE.as_secs())),
        set("LEASE__HEARTBEAT", "1s".to_owned()),
        set("DISPATCH__SWEEP_AFTER", "5s".to_owned()),
        set("LOG__FILTER", "info,lapin=off,sea_orm_migration=warn".to_owned()),
    ];
    let program = Program { folder: folder.join(&name), name, path: regente.to_owned(), arguments: vec!["up".to_owned()], environment };
    Ok(Hub { part: Part::start(program, journal).await?, address, database, broker })
}

async fn agent(regente: &Path, folder: &Path, servers: &Servers, (number, hub): (usize, &str), journal: Arc<Journal>) -> Result<Agent> {
    let name = format!("agent-{number}");
    let hub = Proxy::start(hub.to_owned()).await?;
    let broker = Proxy::start(servers.address(Server::Rabbitmq)?).await?;
    let by_message = takes_messages(number);
    let queue = QUEUES[usize::from(!by_message)];
    let mut environment = vec![
        ("REGENTE_SERVER".to_owned(), format!("http://{}", hub.address())),
        ("REGENTE_WORKER_KEY".to_owned(), WORKER_KEY.to_owned()),
        ("REGENTE_WORK_DIR".to_owned(), folder.join(&name).join("work").display().to_string()),
    ];
    if by_message {
        environment.push(("REGENTE_AMQP_URL".to_owned(), at(&servers.amqp_url, broker.address())?));
    }
    let scripts = folder.display().to_string();
    let arguments = ["worker", "--queue", queue, "--slots", &SLOTS.to_string(), "--name", &name, "--scripts", &scripts];
    let arguments = arguments.map(str::to_owned).to_vec();
    let program = Program { folder: folder.join(&name), name, path: regente.to_owned(), arguments, environment };
    Ok(Agent { part: Part::start(program, journal).await?, hub, at: (number % HUBS).into(), broker })
}

/// Whether this agent gets its jobs from RabbitMQ.
pub(crate) const fn takes_messages(agent: usize) -> bool {
    agent < AGENTS / 2
}

async fn await_health(api: &Api, folder: &Path) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    for number in 0..HUBS {
        while !api.is_healthy(number).await {
            let log = || tail(&folder.join(format!("hub-{number}/hub-{number}.log")), 2000);
            ensure!(Instant::now() < deadline, "hub {number} did not become healthy:\n{}", log());
            sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// A kind of job, as it is registered in each queue.
struct JobKind {
    name: &'static str,
    quarters: (u32, u32),
    failures: u32,
    max_attempts: u32,
    max_concurrency: Option<i64>,
    key_limit: Option<i64>,
    weight: u32,
}

const PLAIN: JobKind =
    JobKind { name: FAST, quarters: (0, 0), failures: 0, max_attempts: 8, max_concurrency: None, key_limit: None, weight: 1 };
const JOB_KINDS: [JobKind; 7] = [
    JobKind { weight: 5, ..PLAIN },
    JobKind { name: "slow", quarters: (4, 12), weight: 3, ..PLAIN },
    JobKind { name: "flaky", quarters: (0, 1), failures: 1, weight: 2, ..PLAIN },
    JobKind { name: "limited", quarters: (1, 3), max_concurrency: Some(2), ..PLAIN },
    JobKind { name: "keyed", quarters: (1, 3), key_limit: Some(1), ..PLAIN },
    JobKind { name: "once", quarters: (1, 4), max_attempts: 1, ..PLAIN },
    JobKind { name: "python", quarters: (0, 2), ..PLAIN },
];

impl Shape {
    /// Whether its jobs are the small ones by which it is measured how soon work goes on.
    pub(crate) fn is_fast(&self) -> bool {
        self.name.starts_with(FAST)
    }
}

/// Registers every kind of job in both queues.
async fn register(api: &Api, folder: &Path) -> Result<Vec<Shape>> {
    let mut shapes = Vec::new();
    for (queue, queue_name) in QUEUES.into_iter().enumerate() {
        for JobKind { name, quarters, failures, max_attempts, max_concurrency, key_limit, weight } in JOB_KINDS {
            let python = name == "python";
            let create = AutomationCreate {
                name: format!("{name}-{queue}"),
                queue_name: Some(queue_name.to_owned()),
                queue_profile: Some(QueueProfile::Regente),
                entrypoint_type: Some(if python { EntrypointType::Python } else { EntrypointType::Shell }),
                script_path: folder.join(if python { "robot.py" } else { "robot.sh" }).display().to_string(),
                max_concurrency,
                concurrency_key: key_limit.map(|_| "chaos:{lane}".to_owned()),
                concurrency_key_limit: key_limit,
                retry_policy: Some(RetryPolicy { max_attempts, backoff: Backoff::Fixed, base_s: 0.3, ..RetryPolicy::default() }),
                ..AutomationCreate::default()
            };
            let automation = api.automation_create(&create).await?;
            let name = create.name;
            shapes.push(Shape { automation, name, queue, quarters, failures, max_attempts, max_concurrency, key_limit, weight });
        }
    }
    Ok(shapes)
}
