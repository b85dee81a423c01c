//! A worker with the real agent whose jobs do nothing but write one line, or sleep.

use std::{io::Write as _, sync::Arc, time::Duration};

use anyhow::Result;
use async_trait::async_trait;
use domain::log::Level;
use secrecy::SecretString;
use tokio::io::AsyncReadExt as _;
use tracing_subscriber::EnvFilter;
use worker_agent::{Agent, Auth, Job, Outcome, RunContext, Runner, Settings};

use crate::{cli::WorkerOptions, clock::now_us};

struct Noop {
    sleep: Duration,
    stamps: bool,
}

#[async_trait]
impl Runner for Noop {
    async fn run(&self, job: &Job, context: RunContext) -> Outcome {
        if self.stamps {
            stamp(&format!("{} {}", job.id, now_us()));
        }
        if !self.sleep.is_zero() {
            tokio::time::sleep(self.sleep).await;
        }
        context.outbox.log(Level::Info, "no-op");
        Outcome::completed(None)
    }
}

/// Writes a line for the parent process.
pub(crate) fn stamp(line: &str) {
    let mut output = std::io::stdout().lock();
    // Without a reader the line is lost.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

pub(crate) async fn run(options: WorkerOptions) -> Result<()> {
    let filter = EnvFilter::try_from_env("BENCH_WORKER_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let mut settings = Settings::new(options.server.clone(), options.queue_names());
    settings.auth = Auth::WorkerKey(SecretString::from(options.key));
    settings.name = Some(format!("bench-{}", options.queue));
    settings.slots = options.slots;
    settings.amqp = Some(options.amqp);
    settings.work_dir = options.work_dir;
    let runner = Noop { sleep: Duration::from_millis(options.sleep_ms), stamps: options.stamps };
    Agent::new(settings, Some(Arc::new(runner)))?.run(end_of_input()).await?;
    Ok(())
}

/// Ends when the parent process closes the input, also by exiting.
pub(crate) async fn end_of_input() {
    let mut rest = Vec::new();
    let _ = tokio::io::stdin().read_to_end(&mut rest).await;
}
