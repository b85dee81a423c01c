//! Options of `regente worker`.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use secrecy::SecretString;
use telemetry::LogFormat;
use worker_agent::{Auth, RunAs, Scopes, Settings};

use super::{doctor::DoctorArgs, install::InstallArgs};
use crate::commands::WorkersCommand;

const GIB: u64 = 1 << 30;
/// Default log filter: without the AMQP library, whose events the broker crate logs in context.
pub(super) const DEFAULT_LOG: &str = "info,lapin=off";

/// Arguments of `worker`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct WorkerArgs {
    #[command(subcommand)]
    pub(super) command: Option<WorkerCommand>,
    /// Queues to take jobs from; '*' for every queue, including future ones (not with --amqp).
    #[arg(long = "queue", env = "REGENTE_QUEUES", required = true, num_args = 1.., value_delimiter = ',', value_name = "NAME")]
    pub(super) queues: Vec<String>,
    #[command(flatten)]
    pub(super) options: WorkerOptions,
}

#[derive(Subcommand)]
pub(super) enum WorkerCommand {
    /// Write a hardened systemd unit for a worker of this host.
    Install(Box<InstallArgs>),
    /// Check whether a worker with these options can work here.
    Doctor(Box<DoctorArgs>),
    #[command(flatten)]
    Hub(WorkersCommand),
}

/// Options of a worker, to run, install or check it.
#[derive(Args)]
pub(super) struct WorkerOptions {
    /// Address of the hub.
    #[arg(long, env = "REGENTE_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub(super) server: String,
    /// Labels of this worker: jobs that require labels are dispatched only to workers that have them all.
    #[arg(long = "label", env = "REGENTE_LABELS", num_args = 1.., value_delimiter = ',', value_name = "WORD")]
    pub(super) labels: Vec<String>,
    /// Consume jobs from RabbitMQ at this address; without it, jobs are claimed over HTTP.
    #[arg(long, env = "REGENTE_AMQP_URL", hide_env_values = true, value_name = "URL")]
    pub(super) amqp: Option<String>,
    /// Maximum number of jobs that run at the same time.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) slots: u32,
    /// Unique name of this worker; by default the host's, with --work-dir followed by a suffix for that folder.
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Shared worker key or a worker token.
    #[arg(long, env = "REGENTE_WORKER_KEY", hide_env_values = true, value_name = "KEY", conflicts_with = "key_file")]
    pub(super) key: Option<String>,
    /// Read the key and the broker's address from standard input: how a worker hides them from its robots.
    #[arg(long, hide = true)]
    pub(super) secrets_on_stdin: bool,
    /// File with the key, such as data/worker-key of a hub on this machine.
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// Folder for the jobs' folders.
    #[arg(long, env = "REGENTE_WORK_DIR", value_name = "DIR")]
    pub(super) work_dir: Option<PathBuf>,
    /// Base folder of relative script paths, whose scripts may be run; by default the current one.
    #[arg(long, value_name = "DIR")]
    pub(super) base_dir: Option<PathBuf>,
    /// Additional folders whose scripts may be run. Symbolic links out of them are refused.
    #[arg(long, env = "REGENTE_SCRIPTS", num_args = 1.., value_delimiter = ',', value_name = "DIR")]
    pub(super) scripts: Vec<PathBuf>,
    /// User that robots run as, so that they can neither inspect nor stop the worker; requires root.
    #[arg(long, env = "REGENTE_RUN_AS", value_name = "USER")]
    pub(super) run_as: Option<String>,
    /// Python for PYTHON jobs; by default python3.
    #[arg(long, env = "REGENTE_PYTHON", value_name = "PROGRAM")]
    pub(super) python: Option<String>,
    /// Seconds that a graceful stop waits for running jobs.
    #[arg(long, default_value = "30", value_parser = seconds, value_name = "SECONDS")]
    pub(super) drain: Duration,
    /// Seconds that a canceled program has to stop before it is killed, unless the job has its own value.
    #[arg(long, default_value = "5", value_parser = seconds, value_name = "SECONDS")]
    pub(super) kill_grace: Duration,
    /// Which jobs run in their own systemd scope, where scopes are available: those with limits, all, or none.
    #[arg(long, env = "REGENTE_SCOPES", value_enum, default_value_t = ScopesWord::Auto, value_name = "WHICH")]
    pub(super) scopes: ScopesWord,
    /// Maximum number of kept folders of ended jobs.
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub(super) keep_folders: usize,
    /// Maximum age of kept folders of ended jobs, in days.
    #[arg(long, default_value_t = 7, value_name = "DAYS")]
    pub(super) keep_days: u32,
    /// Maximum total size of kept folders of ended jobs, in GiB.
    #[arg(long, default_value_t = 10, value_name = "GIB")]
    pub(super) keep_gib: u32,
    /// Maximum number of kept lines of a job's log file: the first and the last ones.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(2000..), value_name = "N")]
    pub(super) log_lines: u64,
    /// Maximum size of a job's log file in MiB: its beginning and its end are kept.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1 << 20), value_name = "MIB")]
    pub(super) log_mib: u64,
    /// Log format: text or json.
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    pub(super) log_format: LogFormat,
    /// Log filter.
    #[arg(long, env = "REGENTE_LOG", default_value = DEFAULT_LOG, value_name = "FILTER")]
    pub(super) log: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ScopesWord {
    Auto,
    Always,
    Off,
}

impl ScopesWord {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Off => "off",
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "must be a whole number of seconds".to_owned())
}

impl WorkerOptions {
    /// The key, from any of its sources.
    pub(super) fn key(&self) -> anyhow::Result<Option<SecretString>> {
        let key = match (&self.key, &self.key_file) {
            (Some(key), _) => Some(key.clone()),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
                Some(text.trim().to_owned())
            }
            (None, None) => None,
        };
        Ok(key.map(SecretString::from))
    }

    /// The settings of an agent that takes jobs from `queues`.
    pub(super) fn settings(&self, queues: Vec<String>) -> anyhow::Result<Settings> {
        let mut settings = Settings::new(self.server.clone(), queues);
        settings.auth = self.key()?.map_or(Auth::None, Auth::WorkerKey);
        settings.labels.clone_from(&self.labels);
        settings.slots = self.slots;
        settings.amqp.clone_from(&self.amqp);
        settings.drain = self.drain;
        settings.kill_grace = self.kill_grace;
        settings.scopes = match self.scopes {
            ScopesWord::Auto => Scopes::Auto,
            ScopesWord::Always => Scopes::Always,
            ScopesWord::Off => Scopes::Off,
        };
        settings.keep_folders = self.keep_folders;
        settings.keep_for = Duration::from_secs(u64::from(self.keep_days) * 24 * 3600);
        settings.log_lines = self.log_lines;
        settings.log_bytes = self.log_mib << 20;
        settings.keep_bytes = u64::from(self.keep_gib) * GIB;
        if let Some(name) = &self.name {
            settings.name = Some(name.clone());
        }
        if let Some(work_dir) = &self.work_dir {
            settings.work_dir.clone_from(work_dir);
        }
        if let Some(base_dir) = &self.base_dir {
            settings.base_dir.clone_from(base_dir);
        }
        settings.scripts.clone_from(&self.scripts);
        settings.run_as = self.run_as.as_deref().map(RunAs::named).transpose()?;
        if let Some(python) = &self.python {
            settings.python.clone_from(python);
        }
        Ok(settings)
    }
}
