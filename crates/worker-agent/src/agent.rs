//! The agent's lifecycle: register, take jobs, keep their leases alive, stop in order.
//!
//! Order is what keeps jobs safe here. The work folder is locked before anything in it is read, so that two processes never report the same
//! job. What an earlier agent left running is killed before this one registers. The first heartbeat precedes the first job, so that a
//! paused worker stays paused across a restart. At a stop the intake ends first, then the jobs, then the connections; the worker signs off
//! last, when it holds nothing any more.

mod claim;
mod control;
mod core;
mod desired_state;
mod execute;
mod folders;
mod heartbeat;
mod queue;
mod recovery;

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use self::{core::Core, heartbeat::Heart};
use crate::{Error, HubClient, ProcessRunner, Runner, Settings, children::Children, signal::Stop};

/// Time for the ends of killed programs to be reported, after the drain and the grace.
const LAST_REPORTS: Duration = Duration::from_secs(5);

/// How long a worker that is stopped during its registration waits for the answer.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// Limit of the request that signs the worker off.
const SIGN_OFF_LIMIT: Duration = Duration::from_secs(5);

/// Runs the jobs of one worker.
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
    /// Creates an agent that runs jobs with `runner`, by default as programs on this host. It does nothing before [`Agent::run`].
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

    /// Runs until `shutdown` resolves. Then it takes no more jobs, waits up to the `drain` setting for the running ones, and kills the
    /// rest. At the start it waits without limit for an unreachable hub. Dropping the future kills the running programs and reports
    /// nothing; the next agent with this work folder sends the ends that are on disk.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::NameTaken`] or [`Error::Registration`] when the hub refuses this worker, [`Error::WorkFolder`],
    /// [`Error::Broker`]. If another worker takes the name over while this one is unreachable, the agent stops as it does on `shutdown`.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let core = self.core;
        let _end_of_tasks = EndOfTasks(core.clone());
        let mut shutdown = pin!(shutdown);
        let _lock = folders::lock(&core.settings)?;
        let name = core.identify()?.name.clone();
        let unreported = recovery::find(&core);
        folders::clean_in_background(core.clone()).await;
        folders::check_space(&core).await;
        let mut registering = pin!(core.register());
        let registered = tokio::select! {
            biased;
            () = &mut shutdown => {
                // The hub may have registered the worker already.
                if let Ok(Ok(_)) = tokio::time::timeout(LAST_ANSWER, &mut registering).await {
                    sign_off(&core).await;
                }
                return Ok(());
            }
            registered = &mut registering => registered?,
        };
        tracing::info!(worker.id = %registered.worker_id, worker.name = name, "registered");
        let mut tasks = JoinSet::new();
        tasks.spawn(self.children.reap());
        let mut heart = Heart::new(core.clone(), registered.heartbeat_interval_s);
        // Before the first job: a paused worker stays paused across a restart.
        tokio::select! {
            biased;
            () = &mut shutdown => {
                sign_off(&core).await;
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
        // Jobs that require labels are never published to a queue, where any worker might take them.
        if broker.is_none() || !core.settings.labels.is_empty() {
            intake.spawn(claim::run(core.clone(), stopped));
        }
        let displaced = tokio::select! {
            biased;
            () = &mut shutdown => None,
            error = core.displaced() => Some(error),
        };
        tracing::info!(jobs = core.held.ids().len(), "stopping: taking no more jobs");
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
        sign_off(&core).await;
        Ok(())
    }
}

/// Waits for the running jobs, then kills them.
async fn drain(core: &Core) {
    let all = || core.slots.acquire_many(core.settings.slots);
    if tokio::time::timeout(core.settings.drain, all()).await.is_ok() {
        return;
    }
    tracing::warn!(jobs = core.held.ids().len(), "drain time exceeded: killing running jobs");
    core.held.stop_all(Stop::Shutdown);
    if tokio::time::timeout(core.settings.kill_grace + LAST_REPORTS, all()).await.is_ok() {
        return;
    }
    tracing::warn!(jobs = core.held.ids().len(), "not every job's end has reached the hub; the next start sends the rest");
    core.abort.send_replace(true);
    // The tasks end at once now; this only gives them the chance.
    let _ended = tokio::time::timeout(Duration::from_secs(1), all()).await;
}

/// Reports to the hub that this worker stops, so that it does not count as lost. An unreachable hub notices the missing heartbeats.
async fn sign_off(core: &Core) {
    match tokio::time::timeout(SIGN_OFF_LIMIT, core.hub.sign_off(core.worker_id())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the hub refused the sign-off"),
        Err(_elapsed) => tracing::debug!("the hub did not answer the sign-off in time"),
    }
}
