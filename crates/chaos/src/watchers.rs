//! Watchers of live events: each must see every job's end, or be told that it missed events.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, ensure};
use api_types::{Event, EventFilter};
use client::{Client, LiveEvent};
use domain::ids::JobId;
use futures_util::StreamExt as _;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    absence::uptime,
    api::{Request, Submitted},
    check::live,
    journal::Journal,
    load::Ledger,
    robots,
    world::World,
};

/// Kinds that end a job.
const ENDS: [&str; 3] = ["job.completed", "job.failed", "job.canceled"];
/// How long the first event may take, and the last ones.
const LIMIT: Duration = Duration::from_secs(60);
const BETWEEN: Duration = Duration::from_millis(200);

/// What one watcher saw. Times are seconds of [`uptime`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    pub(crate) name: String,
    /// When it certainly watched.
    pub(crate) from: f64,
    /// Jobs whose end it saw.
    pub(crate) ends: HashSet<JobId>,
    /// When it was told that events were missed.
    pub(crate) resets: Vec<f64>,
}

/// Watchers that run.
pub(crate) struct Watchers(Vec<Running>);

struct Running {
    watch: Arc<Mutex<Watch>>,
    task: JoinHandle<()>,
}

impl Watchers {
    /// Starts a watcher that has all addresses of the hub, and one that has the last address alone; returns once both have seen an event.
    pub(crate) async fn start(world: &World, ledger: &Ledger) -> Result<Self> {
        let all = ("all addresses", world.api.steady().clone());
        let last = ("one address", world.api.client(world.api.hubs() - 1).clone());
        let watchers = Self([all, last].map(|(name, client)| Running::start(name, client, world.journal.clone())).into());
        let deadline = Instant::now() + LIMIT;
        for number in 0.. {
            if watchers.0.iter().all(|running| !running.watch().ends.is_empty()) {
                break;
            }
            ensure!(Instant::now() < deadline, "a watcher of live events sees none");
            begin(world, ledger, number).await?;
            sleep(BETWEEN).await;
        }
        watchers.0.iter().for_each(|running| running.watch().from = uptime());
        Ok(watchers)
    }

    /// Ends them once they have seen every end, or after a while; returns what they saw.
    pub(crate) async fn end(self, world: &World) -> Result<Vec<Watch>> {
        let (changes, deadline) = (world.observer.changes().await?, Instant::now() + LIMIT);
        let has_all = |running: &Running| live::unseen(&running.watch(), &changes).next().is_none();
        while !self.0.iter().all(has_all) && Instant::now() < deadline {
            sleep(BETWEEN).await;
        }
        Ok(self.0.iter().map(|running| running.watch().clone()).collect())
    }
}

impl Running {
    fn start(name: &str, client: Client, journal: Arc<Journal>) -> Self {
        let watch = Arc::new(Mutex::new(Watch { name: name.to_owned(), ..Watch::default() }));
        let task = tokio::spawn(follow(client, watch.clone(), journal));
        Self { watch, task }
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Follows the stream, which the client resumes by itself; it has no reason to end.
async fn follow(client: Client, watch: Arc<Mutex<Watch>>, journal: Arc<Journal>) {
    let filter = EventFilter { kinds: ENDS.map(str::to_owned).into(), ..EventFilter::default() };
    let mut events = client.events(&filter);
    while let Some(event) = events.next().await {
        let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Ok(LiveEvent::Happened(event)) => watch.ends.extend(job_of(&event)),
            Ok(LiveEvent::Missed) => watch.resets.push(uptime()),
            Ok(LiveEvent::Interrupted(_)) => {}
            Err(error) => journal.breach(format!("the live events of the watcher with {} ended: {error}", watch.name)),
        }
    }
}

fn job_of(event: &Event) -> Option<JobId> {
    event.subject.strip_prefix("jobs/")?.parse().ok()
}

/// Runs a small job, so that there is an event.
async fn begin(world: &World, ledger: &Ledger, number: usize) -> Result<()> {
    let Some(shape) = world.shapes.iter().find(|shape| shape.is_fast()) else { return Ok(()) };
    let parameters = robots::parameters(&world.books(), 0, 0);
    let request = Request { automation: shape.automation, parameters, priority: 9, key: format!("watched-{number}") };
    match world.api.execute(0, &request).await {
        Submitted::Accepted(job) => drop(ledger.note(&request, job)),
        Submitted::Refused(text) | Submitted::Unknown(text) => anyhow::bail!("the first job was not accepted: {text}"),
    }
    Ok(())
}
