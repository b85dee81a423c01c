//! The worker of the hub's own process: jobs run without a second program. Its robots are processes under a supervisor of their own, as those of
//! any worker, and outlive a crash of the hub; the next start takes them over from the work folder.

use std::path::PathBuf;

use runtime::Shutdown;
use tokio::task::JoinHandle;
use worker_agent::{Agent, Auth, Settings};

use crate::Hub;

/// Jobs at once.
const SLOTS: u32 = 2;

/// A worker in this process.
pub(crate) struct LocalWorker {
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl LocalWorker {
    /// Starts it. It runs the scripts in the data folder and in `scripts`.
    pub(crate) fn start(hub: &Hub, queues: Vec<String>, scripts: Vec<PathBuf>) -> anyhow::Result<Self> {
        let mut settings = Settings::new(hub.url(), queues);
        settings.auth = Auth::WorkerKey(hub.worker_key().clone());
        settings.slots = SLOTS;
        settings.base_dir = std::path::absolute(hub.data_dir())?;
        settings.work_dir = settings.base_dir.join("worker");
        settings.scripts = scripts;
        let agent = Agent::new(settings, None)?;
        let shutdown = Shutdown::default();
        let stop = shutdown.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = agent.run(async move { stop.wait().await }).await {
                tracing::error!(%error, "the local worker ended; the hub serves on without it");
            }
        });
        Ok(Self { shutdown, task })
    }

    /// Lets its jobs end; what still runs after the agent's limit is killed. The hub must still serve, to hear of them.
    pub(crate) async fn stop(self) {
        self.shutdown.trigger();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the local worker's task ended badly");
        }
    }
}
