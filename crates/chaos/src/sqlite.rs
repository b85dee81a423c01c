//! A hub on SQLite whose disk fills again and again, and which is killed meanwhile.

mod observer;

use std::{net::TcpListener, path::Path, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use domain::ids::JobId;
use tokio::time::{Instant, sleep, timeout};

use self::observer::Observer;
use crate::{
    api::{Api, Request, Submitted},
    check::Evidence,
    disk::Disk,
    faults::Kind,
    journal::Journal,
    load::{Ledger, Load},
    part::Part,
    recovery::{LIMIT, Recoveries},
    report::Report,
    rest, robots,
    run::{self, LAST_REQUESTS},
    shapes::{self, Shape},
    world::{PASSWORD, QUEUES, agent_program, await_health, hub_environment, hub_program},
};

const AGENTS: usize = 2;
/// How long the disk stays full, and how long it has space before that.
const FULL: Duration = Duration::from_secs(3);
const ROOM: Duration = Duration::from_secs(2);
/// Maximum time that another process waits for the write lock.
const LOCK_LIMIT: Duration = Duration::from_secs(10);
const BEFORE_REPEAT: Duration = Duration::from_millis(50);

/// All parts of this run.
struct World {
    hub: Arc<Part>,
    agents: Vec<Arc<Part>>,
    api: Api,
    observer: Observer,
    shapes: Vec<Shape>,
    disk: Option<Disk>,
    journal: Arc<Journal>,
    ledger: Arc<Ledger>,
    recoveries: Recoveries,
}

/// Injects faults into a hub on SQLite for `seconds`, and reports the findings.
pub(crate) async fn play(seed: u64, seconds: u64, regente: &Path, folder: &Path, rest_limit: Duration) -> Result<Report> {
    let folder = folder.join("sqlite");
    std::fs::create_dir_all(folder.join("books"))?;
    let journal = Arc::new(Journal::create(&folder)?);
    let world = World::start(regente, &folder, journal.clone()).await?;
    journal.say(&format!("a hub on SQLite runs, {seconds} s"));
    let (books, time) = (folder.join("books"), Duration::from_secs(seconds));
    let kind = |shape: &&Shape| !shape.is_hostile();
    let calm: Vec<Shape> = world.shapes.iter().filter(kind).cloned().collect();
    let load = Load {
        api: world.api.clone(),
        shapes: Arc::new(calm),
        books: books.clone(),
        ledger: world.ledger.clone(),
        journal: journal.clone(),
    };
    let load = tokio::spawn(load.run(seed, usize::try_from(seconds)?.saturating_mul(8), time));
    tokio::select! {
        broken = world.break_it(Instant::now() + time, &books) => broken?,
        never = world.keep_locking() => match never {},
    }
    journal.say("no more faults");
    match timeout(LAST_REQUESTS, load).await {
        Ok(ended) => ended?,
        Err(_) => journal.breach(format!("requests are still not accepted {LAST_REQUESTS:?} after the last fault")),
    }
    let rest = world.await_rest(rest_limit).await.inspect_err(|error| journal.breach(format!("{error:#}"))).ok();
    world.stop().await?;
    let left = rest::programs_left(&books);
    if !left.is_empty() {
        journal.breach(format!("programs still run: {left:?}"));
    }
    let seen = world.gather(&books).await?;
    run::judge(&seen, &folder, ("on SQLite", seed, seconds), rest, (&world.ledger, &world.recoveries, &journal))
}

impl World {
    async fn start(regente: &Path, folder: &Path, journal: Arc<Journal>) -> Result<Self> {
        shapes::write_programs(folder)?;
        let disk = Disk::all().map(|disks| Disk::open(&disks, "sqlite")).transpose()?;
        let data = disk.as_ref().map_or_else(|| folder.join("hub-0"), |disk| disk.folder.clone()).join("data");
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let hub = Part::start(hub_program(regente, folder, ("up", "hub-0"), hub_environment(&address, &data)), journal.clone()).await?;
        let mut api = Api::new(vec![format!("http://{address}")])?;
        await_health(&api, folder, &["hub-0"]).await?;
        api.login("admin", PASSWORD).await?;
        let observer = Observer::new(&data.join("regente.db"));
        observer.watch().await?;
        let shapes = shapes::register(&api, folder, &QUEUES[1..]).await?;
        let mut agents = Vec::new();
        for number in 0..AGENTS {
            let name = format!("agent-{number}");
            let program = agent_program(regente, folder, &name, QUEUES[1], (&address, &folder.join(&name).join("work")));
            agents.push(Part::start(program, journal.clone()).await?);
        }
        let (ledger, recoveries) = (Arc::new(Ledger::default()), Recoveries::default());
        Ok(Self { hub, agents, api, observer, shapes, disk, journal, ledger, recoveries })
    }

    /// Fills the disk, kills the hub every other time, and waits until work resumes.
    async fn break_it(&self, until: Instant, books: &Path) -> Result<()> {
        for number in 0.. {
            sleep(ROOM).await;
            if Instant::now() >= until {
                return Ok(());
            }
            let kills = number % 2 == 1;
            if kills {
                self.journal.say("hub's disk full, and hub killed");
                self.recoveries.count(Kind::KillHub);
            } else {
                self.journal.say("hub's disk full");
            }
            self.recoveries.count(Kind::FillHub);
            let (full, killed) = tokio::join!(self.fill(), async {
                if kills {
                    sleep(FULL / 2).await;
                    self.hub.kill().await?;
                }
                anyhow::Ok(())
            });
            full?;
            killed?;
            if kills {
                self.hub.up().await?;
            }
            self.probe(if kills { Kind::KillHub } else { Kind::FillHub }, number, books).await;
        }
        Ok(())
    }

    async fn fill(&self) -> Result<()> {
        if let Some(disk) = &self.disk {
            return disk.hold_full(FULL).await;
        }
        sleep(FULL).await;
        Ok(())
    }

    /// Measures how long it takes until a small job has completed.
    async fn probe(&self, kind: Kind, number: usize, books: &Path) {
        let since = Instant::now();
        let Some(shape) = self.shapes.iter().find(|shape| shape.is_fast()) else { return };
        let key = format!("probe-{number}");
        let request = Request { automation: shape.automation, parameters: robots::parameters(books, 0, 0), priority: 9, key };
        match timeout(LIMIT, self.completes(&request)).await {
            Ok(Ok(())) => {
                self.recoveries.note(kind, since.elapsed(), false);
                self.journal.say(&format!("{kind}: work resumed after {:.2} s", since.elapsed().as_secs_f64()));
            }
            Ok(Err(error)) => self.journal.breach(format!("{kind}: {error:#}")),
            Err(_) => self.journal.breach(format!("{kind}: work did not resume within {LIMIT:?}")),
        }
    }

    async fn completes(&self, request: &Request) -> Result<()> {
        let job: JobId = loop {
            match self.api.execute(0, request).await {
                Submitted::Accepted(job) => break job,
                Submitted::Refused(text) => anyhow::bail!("refused: {text}"),
                Submitted::Unknown(_) => sleep(BEFORE_REPEAT).await,
            }
        };
        self.ledger.note(request, job);
        while !self.observer.completed(job).await.unwrap_or(false) {
            sleep(BEFORE_REPEAT).await;
        }
        Ok(())
    }

    /// Takes the write lock as another process would, again and again: the hub must release it, whatever has failed.
    async fn keep_locking(&self) -> std::convert::Infallible {
        loop {
            let begun = Instant::now();
            match self.observer.lock(LOCK_LIMIT).await {
                Ok(()) => {}
                // Other reasons than the lock: a full disk, a file that is just being created.
                Err(_) if begun.elapsed() < LOCK_LIMIT => {}
                Err(error) => self.journal.breach(format!("another process cannot get the write lock: {error:#}")),
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    async fn await_rest(&self, limit: Duration) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            match self.observer.open_jobs().await {
                Ok(0) => return Ok(begun.elapsed()),
                open => ensure!(begun.elapsed() < limit, "not idle after {limit:?}: {} jobs", open?),
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn stop(&self) -> Result<()> {
        futures_util::future::try_join_all(self.agents.iter().map(|agent| agent.stop())).await?;
        self.hub.stop().await
    }

    async fn gather(&self, books: &Path) -> Result<Evidence> {
        Ok(Evidence {
            accepted: self.ledger.accepted(),
            shapes: self.shapes.clone(),
            jobs: self.observer.jobs().await?,
            changes: self.observer.changes().await?,
            runs: robots::read_books(books)?,
            workers: self.observer.workers().await?,
            absences: self.journal.absences(),
            ..Evidence::default()
        })
    }
}
