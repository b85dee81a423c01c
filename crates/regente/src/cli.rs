//! What the command line takes.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use runtime::Settings;
use telemetry::LogFormat;

use crate::{allocator, settings_view, terminal, up, work};

/// Orchestrates RPA robots.
#[derive(Parser)]
#[command(name = "regente", version, propagate_version = true)]
pub struct Cli {
    /// Settings file; by default regente.toml in the current folder, when it is there.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve everything in one process.
    Up(UpArgs),
    /// Run jobs on this machine.
    Worker(Box<WorkerArgs>),
    /// Bring the database's schema up to date, then end.
    Migrate,
    /// Look at the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the API's description.
    Openapi,
}

/// How `up` serves.
#[derive(Args, Clone, Copy, Default)]
pub(crate) struct UpArgs {
    /// Register the examples, run one on a local worker and show it, then keep serving.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Let everybody do everything; only on an address of this machine.
    #[arg(long)]
    pub(crate) insecure_dev: bool,
}

/// How `worker` works.
#[derive(Args)]
pub(crate) struct WorkerArgs {
    /// Address of the hub.
    #[arg(long, env = "REGENTE_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub(crate) server: String,
    /// Queues to take jobs from.
    #[arg(long = "queue", env = "REGENTE_QUEUES", required = true, num_args = 1.., value_delimiter = ',', value_name = "NAME")]
    pub(crate) queues: Vec<String>,
    /// Take jobs from RabbitMQ at this address; without it they are claimed over HTTP.
    #[arg(long, env = "REGENTE_AMQP_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) amqp: Option<String>,
    /// Jobs at once.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) slots: u32,
    /// Unique name of this worker; by default the host's.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The workers' key.
    #[arg(long, env = "REGENTE_WORKER_KEY", hide_env_values = true, value_name = "KEY", conflicts_with = "key_file")]
    pub(crate) key: Option<String>,
    /// File with the workers' key, such as data/worker-key of a hub on this machine.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Folder for the jobs' folders.
    #[arg(long, env = "REGENTE_WORK_DIR", value_name = "DIR")]
    pub(crate) work_dir: Option<PathBuf>,
    /// Folder that relative script paths start from; by default the current one.
    #[arg(long, value_name = "DIR")]
    pub(crate) base_dir: Option<PathBuf>,
    /// Python for PYTHON jobs; by default python3.
    #[arg(long, env = "REGENTE_PYTHON", value_name = "PROGRAM")]
    pub(crate) python: Option<String>,
    /// Seconds that a stop waits for running jobs.
    #[arg(long, default_value = "30", value_parser = seconds, value_name = "SECONDS")]
    pub(crate) drain: Duration,
    /// Log as text or json.
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    /// What is logged.
    #[arg(long, env = "REGENTE_LOG", default_value = "info", value_name = "FILTER")]
    pub(crate) log: String,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Report every fault of the settings.
    Check,
    /// Print the settings in force, without secrets.
    Print,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "must be a whole number of seconds".to_owned())
}

impl Cli {
    /// Does what the command line says. Faults are one line on standard error: exit code 1, or 64 (`EX_USAGE` of sysexits.h) for settings.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let settings = || Settings::load(self.config.as_deref());
        let done = match self.command {
            Command::Worker(args) => work::run(*args),
            Command::Openapi => terminal::line(&crate::api_doc().to_pretty_json().unwrap_or_default()).map_err(Into::into),
            Command::Up(args) => {
                allocator::settle();
                match settings() {
                    Ok(settings) => up::run(settings, args),
                    Err(error) => return unusable(&error),
                }
            }
            Command::Migrate => match settings() {
                Ok(settings) => up::migrate(&settings),
                Err(error) => return unusable(&error),
            },
            Command::Config(command) => match (settings(), command) {
                (Ok(_), ConfigCommand::Check) => terminal::line("the settings are fine").map_err(Into::into),
                (Ok(settings), ConfigCommand::Print) => terminal::line(&settings_view::view(&settings)).map_err(Into::into),
                (Err(error), _) => return unusable(&error),
            },
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                terminal::fault(&format!("{error:#}"));
                ExitCode::FAILURE
            }
        }
    }
}

fn unusable(error: &runtime::SettingsError) -> ExitCode {
    error.0.iter().for_each(|fault| terminal::fault(fault));
    ExitCode::from(64)
}
