use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use domain::ids::JobId;
use tokio::sync::Semaphore;
use worker_agent::{Job, Outcome, RunContext, Runner};

/// Small robots in shell, written into a folder.
pub struct Robots(PathBuf);

impl Robots {
    /// In this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Writes a shell robot and returns its path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn shell(&self, name: &str, script: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, script).unwrap_or_else(|error| panic!("{error}"));
        path.display().to_string()
    }
}

/// Runs no program: records which jobs were started, in order, and ends each when the test allows it.
#[derive(Clone)]
pub struct GatedRunner {
    started: Arc<Mutex<Vec<JobId>>>,
    gate: Arc<Semaphore>,
}

impl Default for GatedRunner {
    fn default() -> Self {
        Self { started: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
    }
}

impl GatedRunner {
    /// Allows this many more jobs to end.
    pub fn open(&self, jobs: usize) {
        self.gate.add_permits(jobs);
    }

    /// Jobs that were started, in their order.
    ///
    /// # Panics
    /// When another thread panicked.
    #[must_use]
    pub fn started(&self) -> Vec<JobId> {
        self.started.lock().unwrap_or_else(|error| panic!("{error}")).clone()
    }
}

#[async_trait]
impl Runner for GatedRunner {
    async fn run(&self, job: &Job, _: RunContext) -> Outcome {
        self.started.lock().unwrap_or_else(|error| panic!("{error}")).push(job.id);
        if let Ok(permit) = self.gate.acquire().await {
            permit.forget();
        }
        Outcome::completed(None)
    }
}
