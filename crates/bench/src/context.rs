use std::{fs, path::PathBuf, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    child::Process,
    cli::RunOptions,
    floor::Answer,
    hub::{Hub, Site},
    servers::Servers,
};

/// The key of all workers of the measurement.
pub(crate) const WORKER_KEY: &str = "bench-worker-key-0123456789abcdef";

/// What the hubs seal secrets with.
pub(crate) const MASTER_KEY: &str = "dGhlIG1hc3RlciBrZXkgb2YgYSBiZW5jaG1hcmsuLi4=";

/// Shared by all parts of the measurement.
pub(crate) struct Bench {
    pub(crate) options: RunOptions,
    pub(crate) servers: Servers,
    pub(crate) regente: PathBuf,
    pub(crate) exe: PathBuf,
    scratch: TempDir,
}

/// How to start a worker of the measurement.
pub(crate) struct WorkerPlan<'a> {
    /// `noop-worker` or `probe-worker`.
    pub(crate) kind: &'a str,
    pub(crate) queue: &'a str,
    pub(crate) queues: usize,
    pub(crate) slots: u32,
    pub(crate) sleep_ms: u64,
    pub(crate) stamps: bool,
}

impl Bench {
    pub(crate) fn new(options: RunOptions) -> Result<Self> {
        let exe = std::env::current_exe()?;
        let regente = options.regente.clone().unwrap_or_else(|| exe.with_file_name("regente"));
        ensure!(regente.exists(), "{} is missing: cargo build --release -p regente", regente.display());
        let scratch = tempfile::Builder::new().prefix("regente-bench").tempdir_in("/var/tmp").context("/var/tmp")?;
        Ok(Self { options, servers: Servers::from_env()?, regente, exe, scratch })
    }

    /// A new folder, removed at the end.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.scratch.path().join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A file for the standard error of a process.
    pub(crate) fn log_file(&self, name: &str) -> Result<Stdio> {
        Ok(fs::File::options().create(true).append(true).open(self.scratch.path().join(format!("{name}.log")))?.into())
    }

    /// The last output of the processes, for an error message.
    pub(crate) fn last_words(&self) -> String {
        let files = fs::read_dir(self.scratch.path()).into_iter().flatten().flatten();
        let logs = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "log"));
        logs.filter_map(|path| {
            let text = fs::read_to_string(&path).ok()?;
            let from = text.len().saturating_sub(1500);
            Some(format!("--- {}\n{}\n", path.file_name()?.display(), &text[text.ceil_char_boundary(from)..]))
        })
        .collect()
    }

    /// A floor with an empty database and this many queues.
    pub(crate) async fn floor(&self, queues: usize) -> Result<Process> {
        let mut command = Command::new(&self.exe);
        command
            .args(["floor", "--submitters", &self.options.submitters.to_string(), "--slots", &self.options.floor_slots.to_string()])
            .args(["--queues", &queues.to_string()])
            .env("BENCH_DATABASE_URL", self.servers.database_create("floor").await?)
            .env("BENCH_AMQP_URL", &self.servers.amqp_url)
            .stderr(self.log_file("floor")?);
        let mut floor = Process::spawn("floor", &mut command)?;
        let Answer::Ready = floor.ask(None::<&()>).await? else { anyhow::bail!("the floor is not ready") };
        Ok(floor)
    }

    pub(crate) fn worker(&self, hub: &Hub, plan: &WorkerPlan<'_>) -> Result<Process> {
        let mut command = Command::new(&self.exe);
        command
            .args([plan.kind, "--server", &hub.api.base, "--queue", plan.queue, "--queues", &plan.queues.to_string()])
            .args(["--slots", &plan.slots.to_string(), "--sleep-ms", &plan.sleep_ms.to_string()])
            .arg("--work-dir")
            .arg(self.folder(plan.queue)?)
            .env("BENCH_AMQP_URL", &self.servers.amqp_url)
            .env("BENCH_WORKER_KEY", WORKER_KEY)
            .stderr(self.log_file(plan.queue)?);
        if plan.stamps {
            command.arg("--stamps");
        }
        Process::spawn(plan.kind, &mut command)
    }

    /// A database of a hub.
    pub(crate) async fn site(&self, name: &'static str) -> Result<Site> {
        Ok(Site { name, database_url: self.servers.database_create(name).await? })
    }
}
