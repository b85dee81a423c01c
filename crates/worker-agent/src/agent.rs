//! The agent: registers, takes jobs, keeps their leases alive, stops in order.

mod claim;
mod control;
mod core;
mod execute;
mod folders;
mod heartbeat;
mod orders;
mod queue;
mod recovery;

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use self::{core::Core, heartbeat::Heart};
use crate::{Error, HubClient, ProcessRunner, Runner, Settings, children::Children, signal::Stop};

/// After the drain, and beyond the grace for killed programs: how long their ends may take to be reported.
const LAST_REPORTS: Duration = Duration::from_secs(5);

/// How long a worker that is stopped while it registers waits for the answer.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// How long the hub may take to hear a goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// Runs jobs of one worker.
pub struct Agent {
    core: Arc<Core>,
    children: Children,
}

/// Ends every task of the agent when its `run` ends or is dropped.
struct EndOfTasks(Arc<Core>);

impl Drop for EndOfTasks {
    fn drop(&mut self) {
        self.0.abort.send_replace(true);
    }
}

impl Agent {
    /// An agent that runs jobs with `runner`, by default as programs of this host. Does nothing before [`Agent::run`].
    ///
    /// # Errors
    /// [`Error::Settings`] and [`Error::Client`].
    pub fn new(settings: Settings, runner: Option<Arc<dyn Runner>>) -> Result<Self, Error> {
        settings.validate()?;
        let settings = settings.into_absolute();
        let hub = HubClient::new(&settings.server, &settings.auth, settings.request_timeout)?;
        let children = Children::new(settings.reaps_orphans);
        let runner = runner.unwrap_or_else(|| Arc::new(ProcessRunner::new(&settings, children.clone())));
        Ok(Self { core: Arc::new(Core::new(settings, hub, runner)), children })
    }

    /// Works until `shutdown` resolves; then takes no more jobs, waits for the running ones as long as the settings say, and kills the
    /// rest. Waits for the hub at the start as long as it is away. Dropping the future kills the running programs and reports nothing;
    /// ends that are on disk are sent by the next agent with this work folder.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::NameTaken`] or [`Error::Registration`] when the hub does not want this worker, [`Error::WorkFolder`],
    /// [`Error::Broker`]. Another worker that got the name while this one was away ends it as a stop does.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let core = self.core;
        let _end_of_tasks = EndOfTasks(core.clone());
        let mut shutdown = pin!(shutdown);
        let _lock = folders::lock(&core.settings)?;
        let name = core.identify()?.name.clone();
        let unreported = recovery::find(&core);
        folders::clean_beside(core.clone()).await;
        folders::look_for_room(&core).await;
        let mut registering = pin!(core.register());
        let registered = tokio::select! {
            biased;
            () = &mut shutdown => {
                // The hub may know of it already.
                if let Ok(Ok(_)) = tokio::time::timeout(LAST_ANSWER, &mut registering).await {
                    say_goodbye(&core).await;
                }
                return Ok(());
            }
            registered = &mut registering => registered?,
        };
        tracing::info!(worker.id = %registered.worker_id, worker.name = name, "registered");
        let mut tasks = JoinSet::new();
        tasks.spawn(self.children.reap());
        let mut heart = Heart::new(core.clone(), registered.heartbeat_interval_s);
        // Before the first job: a worker that is paused stays so when it is started again.
        tokio::select! {
            biased;
            () = &mut shutdown => {
                say_goodbye(&core).await;
                return Ok(());
            }
            _ = heart.beat() => {}
        }
        tasks.spawn(heart.run());
        tasks.spawn(folders::keep_clean(core.clone()));
        for job in unreported {
            tasks.spawn(job.send(core.clone()));
        }
        let (stop, stopped) = watch::channel(false);
        let broker = core.connect_broker()?;
        let mut intake = JoinSet::new();
        if let Some(broker) = &broker {
            tasks.spawn(control::run(core.clone(), broker.clone()));
            queue::spawn(&core, broker, &stopped, &mut intake);
        }
        // Jobs that require labels never travel through a queue, where any worker might take them.
        if broker.is_none() || !core.settings.labels.is_empty() {
            intake.spawn(claim::run(core.clone(), stopped));
        }
        let displaced = tokio::select! {
            biased;
            () = &mut shutdown => None,
            error = core.displaced() => Some(error),
        };
        tracing::info!(jobs = core.held.ids().len(), "stopping: no more jobs are taken");
        stop.send_replace(true);
        while intake.join_next().await.is_some() {}
        drain(&core).await;
        if let Some(broker) = broker {
            broker.close().await;
        }
        tasks.shutdown().await;
        if let Some(error) = displaced {
            return Err(error);
        }
        say_goodbye(&core).await;
        Ok(())
    }
}

/// Waits for the running jobs, then kills them.
async fn drain(core: &Core) {
    let all = || core.slots.acquire_many(core.settings.slots);
    if tokio::time::timeout(core.settings.drain, all()).await.is_ok() {
        return;
    }
    tracing::warn!(jobs = core.held.ids().len(), "the time to stop is over: running jobs are killed");
    core.held.stop_all(Stop::Shutdown);
    if tokio::time::timeout(core.settings.kill_grace + LAST_REPORTS, all()).await.is_ok() {
        return;
    }
    tracing::warn!(jobs = core.held.ids().len(), "the hub does not have the end of every job; it is sent at the next start");
    core.abort.send_replace(true);
    // Tasks end at once now: this only lets them.
    let _ended = tokio::time::timeout(Duration::from_secs(1), all()).await;
}

/// Tells the hub that this worker is not lost. A hub that is away finds out by its silence.
async fn say_goodbye(core: &Core) {
    match tokio::time::timeout(GOODBYE, core.hub.goodbye(core.worker_id())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the hub did not take the goodbye"),
        Err(_elapsed) => tracing::debug!("the hub did not answer the goodbye"),
    }
}
