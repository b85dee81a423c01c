use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use client::{Client, Settings};
use reqwest::Method;
use test_support::Proxy;
use tokio::time::{Instant, sleep};

use crate::{
    api::Api,
    clock::Clock,
    disk::Disk,
    faults::Need,
    form::Form,
    journal::Journal,
    observer::Observer,
    part::{Part, Program, tail},
    rules::{self, Inbox, Watching},
    schedules::{self, Timetable},
    servers::{Server, Servers, at},
    shapes::{self, Shape},
};

/// Replicas of the hub, or of each of its services; and so the addresses at which it is reached.
pub(crate) const HUBS: usize = 2;
/// After this long every orchestrator knows the agents: three times `dispatch.tick`.
const KNOWN_EVERYWHERE: Duration = Duration::from_secs(3);
/// Agents; the first half consumes messages, the second half claims.
pub(crate) const AGENTS: usize = 4;
pub(crate) const SLOTS: usize = 5;
/// Limit of a job's log at agents, in MiB: less than the loud robot prints, so that its log ends with a gap and its slot is free within
/// seconds.
const LOG_MIB: &str = "32";
/// Duration of leases here.
pub(crate) const LEASE: Duration = Duration::from_secs(5);
/// The queue whose jobs come as messages, and the one whose jobs are claimed.
pub(crate) const QUEUES: [&str; 2] = ["chaos.messages", "chaos.claims"];
pub(crate) const DEAD_LETTERS: &str = "regente.dead-letters";
pub(crate) const WORKER_KEY: &str = "chaos-worker-key-0123456789abcdef";
/// Of the hubs on PostgreSQL.
const MASTER_KEY: &str = "dGhlIG1hc3RlciBrZXkgb2YgYSBjaGFvcyBydW4uLi4=";
pub(crate) const PASSWORD: &str = "chaos-password-0123456789";
pub(crate) const START_LIMIT: Duration = Duration::from_secs(60);

const WORK_DIR: &str = "REGENTE_WORK_DIR";

/// A hub, a gateway, an orchestrator, a scheduler or a monitor, with its connections to the servers.
pub(crate) struct Hub {
    pub(crate) part: Arc<Part>,
    pub(crate) address: String,
    pub(crate) database: Proxy,
    pub(crate) broker: Proxy,
    pub(crate) clock: Clock,
}

/// An agent with its connections to the hub and to the broker.
pub(crate) struct Agent {
    pub(crate) part: Arc<Part>,
    /// Its only address of the hub, as behind a load balancer.
    pub(crate) hub: Proxy,
    /// Which of the hub's addresses it is routed to.
    pub(crate) at: std::sync::atomic::AtomicUsize,
    pub(crate) broker: Proxy,
    pub(crate) clock: Clock,
    /// The file system of its work folder, if that is a separate one.
    pub(crate) disk: Option<Disk>,
    /// Another agent of the same name, with another work folder.
    pub(crate) twin: Program,
}

/// All running parts.
pub(crate) struct World {
    pub(crate) form: Form,
    pub(crate) servers: Servers,
    pub(crate) folder: PathBuf,
    /// Hubs; or the orchestrators, where the gateways are processes of their own.
    pub(crate) hubs: Vec<Hub>,
    /// Gateways; none where they are part of the hubs.
    pub(crate) gateways: Vec<Hub>,
    /// Schedulers; none where they are part of the hubs.
    pub(crate) schedulers: Vec<Hub>,
    /// SLA monitors; none where they are part of the hubs.
    pub(crate) monitors: Vec<Hub>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) api: Api,
    pub(crate) observer: Observer,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) timetables: Vec<Timetable>,
    pub(crate) rules: Vec<Watching>,
    /// Where alerts are told.
    pub(crate) inbox: Inbox,
    pub(crate) journal: Arc<Journal>,
    /// The file system of PostgreSQL's data, if that is a separate one.
    pub(crate) database_disk: Option<Disk>,
    /// PostgreSQL's clock, if it can be stepped.
    pub(crate) database_clock: Option<Clock>,
}

impl World {
    /// Starts everything on an empty database: all services at the same moment, then the agents. Schedules are due for `time`.
    pub(crate) async fn start(form: Form, regente: &Path, folder: &Path, time: Duration, journal: Arc<Journal>) -> Result<Self> {
        let servers = Servers::from_env()?.with_database(&format!("chaos_{form}")).await?;
        shapes::write_programs(folder)?;
        std::fs::create_dir_all(books(folder))?;
        let place = Place { regente, folder, servers: &servers, journal: &journal };
        let [mut hubs, mut gateways, mut schedulers, mut monitors] = std::array::from_fn(|_| Vec::new());
        let (command, name) = if form == Form::Together { ("up", "hub") } else { ("orchestrator", "orchestrator") };
        for number in 0..HUBS {
            hubs.push(place.hub(command, &format!("{name}-{number}"), Vec::new()).await?);
        }
        if form == Form::Apart {
            let mut settings = vec![("REGENTE__SERVICES__ORCHESTRATOR".to_owned(), addresses(&hubs))];
            for number in 0..HUBS {
                schedulers.push(place.hub("scheduler", &format!("scheduler-{number}"), settings.clone()).await?);
                monitors.push(place.hub("sla-monitor", &format!("monitor-{number}"), settings.clone()).await?);
            }
            settings.push(("REGENTE__SERVICES__SCHEDULER".to_owned(), addresses(&schedulers)));
            settings.push(("REGENTE__SERVICES__SLA_MONITOR".to_owned(), addresses(&monitors)));
            settings.push(("REGENTE__GATEWAY__ADMIN_BIND".to_owned(), String::new()));
            // As much shorter as the lease is: an orchestrator that hangs is found before leases end.
            for key in ["HEALTH_INTERVAL", "HEALTH_TIMEOUT"] {
                settings.push((format!("REGENTE__GATEWAY__{key}"), "500ms".to_owned()));
            }
            for number in 0..HUBS {
                gateways.push(place.hub("api-gateway", &format!("gateway-{number}"), settings.clone()).await?);
            }
        }
        let doors = if form == Form::Together { &hubs } else { &gateways };
        let mut api = Api::new(doors.iter().map(|hub| format!("http://{}", hub.address)).collect())?;
        await_health(&api, folder, &doors.iter().map(|hub| hub.part.name()).collect::<Vec<_>>()).await?;
        api.login("admin", PASSWORD).await?;
        let observer = Observer::new(&servers.database_url)?;
        observer.watch().await.context("the trigger cannot be created")?;
        let mut shapes = shapes::register(&api, folder, &QUEUES).await?;
        shapes.push(shapes::register_foreign(&api, folder, QUEUES.len()).await?);
        let inbox = Inbox::open().await?;
        let rules = rules::create(api.steady(), &shapes, &inbox).await.context("rules")?;
        let mut agents = Vec::new();
        for number in 0..AGENTS {
            agents.push(place.agent(form, number, &doors[number % HUBS].address).await?);
        }
        observer.registered(AGENTS, START_LIMIT).await.context("the agents did not register")?;
        // An orchestrator that does not know yet that workers claim from a queue sends the first messages there, and nobody takes them.
        sleep(KNOWN_EVERYWHERE).await;
        let timetables = schedules::create(api.steady(), &shapes, &books(folder), time).await?;
        Ok(Self {
            form,
            servers,
            folder: folder.to_owned(),
            hubs,
            gateways,
            schedulers,
            monitors,
            agents,
            api,
            observer,
            shapes,
            timetables,
            rules,
            inbox,
            journal,
            database_disk: Disk::all().map(|disks| Disk::open(&disks, "postgres")).transpose()?,
            database_clock: Clock::of_database(),
        })
    }

    /// What people, programs and agents reach.
    pub(crate) fn doors(&self) -> &[Hub] {
        if self.form == Form::Together { &self.hubs } else { &self.gateways }
    }

    /// What this host supports for the faults.
    pub(crate) fn has(&self) -> Vec<Need> {
        let disks = self.database_disk.as_ref().map(|_| Need::Disks);
        disks.into_iter().chain(self.database_clock.as_ref().map(|_| Need::Clocks)).collect()
    }

    /// The processes of all services, in the order in which an upgrade restarts them.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Hub> {
        self.gateways.iter().chain(&self.schedulers).chain(&self.monitors).chain(&self.hubs)
    }

    /// Services and agents.
    pub(crate) fn parts(&self) -> Vec<Arc<Part>> {
        let agents = self.agents.iter().map(|agent| &agent.part);
        self.services().map(|hub| &hub.part).chain(agents).cloned().collect()
    }

    /// Folder of the robots' records.
    pub(crate) fn books(&self) -> PathBuf {
        books(&self.folder)
    }

    /// Stops every process in order: agents first, then gateways, then what they lead to.
    pub(crate) async fn stop(&self) -> Result<()> {
        futures_util::future::try_join_all(self.agents.iter().map(|agent| agent.part.stop())).await?;
        futures_util::future::try_join_all(self.gateways.iter().map(|gateway| gateway.part.stop())).await?;
        futures_util::future::try_join_all(self.schedulers.iter().chain(&self.monitors).map(|one| one.part.stop())).await?;
        futures_util::future::try_join_all(self.hubs.iter().map(|hub| hub.part.stop())).await?;
        Ok(())
    }
}

fn books(folder: &Path) -> PathBuf {
    folder.join("books")
}

/// Addresses of replicas, as a setting has them.
fn addresses(hubs: &[Hub]) -> String {
    hubs.iter().map(|hub| format!("http://{}", hub.address)).collect::<Vec<_>>().join(",")
}

/// What every part is started with.
struct Place<'a> {
    regente: &'a Path,
    folder: &'a Path,
    servers: &'a Servers,
    journal: &'a Arc<Journal>,
}

impl Place<'_> {
    /// Starts a service, or all of them, with further settings.
    async fn hub(&self, command: &str, name: &str, settings: Vec<(String, String)>) -> Result<Hub> {
        let Self { regente, folder, servers, journal } = *self;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let database = Proxy::start(servers.address(Server::Postgres)?).await?;
        let broker = Proxy::start(servers.address(Server::Rabbitmq)?).await?;
        let clock = Clock::new(&folder.join(name))?;
        let mut environment = hub_environment(&address, &folder.join(name).join("data"));
        environment.push(("REGENTE__DATABASE__URL".to_owned(), at(&servers.database_url, database.address())?));
        environment.push(("REGENTE__BROKER__URL".to_owned(), at(&servers.amqp_url, broker.address())?));
        environment.push(("REGENTE_MASTER_KEY".to_owned(), MASTER_KEY.to_owned()));
        environment.extend(settings);
        environment.extend(clock.environment());
        let program = hub_program(regente, folder, (command, name), environment);
        Ok(Hub { part: Part::start(program, journal.clone()).await?, address, database, broker, clock })
    }

    /// Starts an agent at this address of the hub.
    async fn agent(&self, form: Form, number: usize, hub: &str) -> Result<Agent> {
        let Self { regente, folder, servers, journal } = *self;
        let name = format!("agent-{number}");
        let hub = Proxy::start(hub.to_owned()).await?;
        let broker = Proxy::start(servers.address(Server::Rabbitmq)?).await?;
        let disk = Disk::all().map(|disks| Disk::open(&disks, &name)).transpose()?;
        let clock = Clock::new(&folder.join(&name))?;
        let work = disk.as_ref().map_or_else(|| folder.join(&name), |disk| disk.folder.join(form.name())).join("work");
        let by_message = takes_messages(number);
        let mut program = agent_program(regente, folder, &name, QUEUES[usize::from(!by_message)], (&hub.address().to_string(), &work));
        if by_message {
            program.environment.push(("REGENTE_AMQP_URL".to_owned(), at(&servers.amqp_url, broker.address())?));
        }
        let twin = twin_of(&program, folder);
        program.environment.extend(clock.environment());
        Ok(Agent { part: Part::start(program, journal.clone()).await?, hub, at: (number % HUBS).into(), broker, clock, disk, twin })
    }
}

/// Environment of every hub.
pub(crate) fn hub_environment(address: &str, data: &Path) -> Vec<(String, String)> {
    let lease = format!("{}s", LEASE.as_secs());
    let settings = [
        ("HTTP__BIND", address.to_owned()),
        ("BROKER__DEAD_LETTER_QUEUE", DEAD_LETTERS.to_owned()),
        ("WORKER__API_KEY", WORKER_KEY.to_owned()),
        ("WORKER__LOCAL", "off".to_owned()),
        ("ADMIN__PASSWORD", PASSWORD.to_owned()),
        // Some of its requests do not renew their token.
        ("AUTH__TOKEN_LIFETIME", "24h".to_owned()),
        // They come from one address.
        ("EDGE__ANONYMOUS_PER_MINUTE", "0".to_owned()),
        ("EDGE__SIGN_INS_PER_MINUTE", "0".to_owned()),
        ("DATA_DIR", data.display().to_string()),
        ("LEASE__AGENT", lease.clone()),
        ("LEASE__FOREIGN", lease),
        ("LEASE__HEARTBEAT", "1s".to_owned()),
        ("DISPATCH__SWEEP_AFTER", "5s".to_owned()),
        // The receiver of messages is on this machine.
        ("SLA__ALLOW_PRIVATE_ADDRESSES", "127.0.0.0/8".to_owned()),
        ("SLA__SEND_TIMEOUT", "5s".to_owned()),
        ("LOG__FILTER", "info,lapin=off,sea_orm_migration=warn".to_owned()),
    ];
    settings.into_iter().map(|(key, value)| (format!("REGENTE__{key}"), value)).collect()
}

/// A service, or all of them, by its command and its name here.
pub(crate) fn hub_program(regente: &Path, folder: &Path, (command, name): (&str, &str), environment: Vec<(String, String)>) -> Program {
    let (name, arguments) = (name.to_owned(), vec![command.to_owned()]);
    Program { folder: folder.join(&name), name, worker: None, path: regente.to_owned(), arguments, environment }
}

/// An agent with a hub and a work folder.
pub(crate) fn agent_program(regente: &Path, folder: &Path, name: &str, queue: &str, (hub, work): (&str, &Path)) -> Program {
    let environment = [
        ("REGENTE_SERVER", format!("http://{hub}")),
        ("REGENTE_WORKER_KEY", WORKER_KEY.to_owned()),
        (WORK_DIR, work.display().to_string()),
    ];
    let scripts = folder.display().to_string();
    let arguments =
        ["worker", "--queue", queue, "--slots", &SLOTS.to_string(), "--name", name, "--scripts", &scripts, "--log-mib", LOG_MIB];
    Program {
        name: name.to_owned(),
        worker: Some(name.to_owned()),
        path: regente.to_owned(),
        arguments: arguments.map(str::to_owned).to_vec(),
        environment: environment.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        folder: folder.join(name),
    }
}

fn twin_of(program: &Program, folder: &Path) -> Program {
    let name = format!("{}-twin", program.name);
    let mut twin = Program { folder: folder.join(&name), name, ..program.clone() };
    twin.environment.retain(|(key, _)| key != WORK_DIR);
    twin.environment.push((WORK_DIR.to_owned(), twin.folder.join("work").display().to_string()));
    twin
}

/// Whether this agent gets its jobs from RabbitMQ.
pub(crate) const fn takes_messages(agent: usize) -> bool {
    agent < AGENTS / 2
}

/// Waits until the hub is healthy at each of its addresses, which these processes have.
pub(crate) async fn await_health(api: &Api, folder: &Path, names: &[&str]) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    for (number, name) in names.iter().enumerate() {
        while !api.is_healthy(number).await {
            let log = || tail(&folder.join(format!("{name}/{name}.log")), 2000);
            ensure!(Instant::now() < deadline, "{name} did not become healthy:\n{}", log());
            sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// Waits until the process at this address is ready.
pub(crate) async fn await_ready(address: &str, limit: Duration) -> Result<()> {
    let (client, deadline) = (Client::new(Settings::new(format!("http://{address}")))?, Instant::now() + limit);
    loop {
        let answer = client.bare(Method::GET, "/health/ready").timeout(Duration::from_secs(2)).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not ready within {limit:?}");
        sleep(Duration::from_millis(50)).await;
    }
}
