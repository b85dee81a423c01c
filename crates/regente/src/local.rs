//! The local worker: runs jobs in the hub's process, so that trying Regente needs one program only. Its robots are child processes with a
//! supervisor, as those of any worker. They survive a crash of the hub, and the next start recovers them from the work folder.

use std::path::PathBuf;

use runtime::Shutdown;
use tokio::task::JoinHandle;
use worker_agent::{Agent, Auth, Settings};

use crate::Hub;

/// Number of jobs that run at the same time.
const SLOTS: u32 = 2;

/// A worker in this process.
pub(crate) struct LocalWorker {
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl LocalWorker {
    /// Starts it. It runs scripts from the data folder and from `scripts`.
    pub(crate) fn start(hub: &Hub, queues: Vec<String>, scripts: Vec<PathBuf>) -> anyhow::Result<Self> {
        let mut settings = Settings::new(hub.local_url(), queues);
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
                tracing::error!(%error, "the local worker failed; the hub continues without it");
            }
        });
        Ok(Self { shutdown, task })
    }

    /// Drains it: waits for its jobs, and kills those that exceed the agent's limit. The hub must still serve, to receive their reports.
    pub(crate) async fn stop(self) {
        self.shutdown.trigger();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the local worker's task failed");
        }
    }
}
