//! The command line.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    audit::{self, AuditCommand},
    commands::{self, HubCommand},
    maintain::{self, KeysCommand, SecretsCommand},
    terminal, up,
    work::{self, WorkerArgs},
};

/// Orchestrates RPA robots.
#[derive(Parser)]
#[command(name = "regente", version, propagate_version = true)]
pub struct Cli {
    /// Settings file; by default regente.toml in the current folder, if it exists.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run all services in one process.
    Up(UpArgs),
    /// Run only the orchestrator: automations, jobs, workers and their API.
    Orchestrator(ServiceArgs),
    /// Run only the edge: sign-in, and routing to the services of other processes.
    ApiGateway(ServiceArgs),
    /// Run only the scheduler: schedules, calendars, and the jobs that become due.
    Scheduler(ServiceArgs),
    /// Run only the SLA monitor: rules, alerts, channels and notifications.
    SlaMonitor(ServiceArgs),
    #[command(flatten)]
    Hub(HubCommand),
    /// Run a worker on this machine, install or check one, or manage the workers of a hub.
    Worker(Box<WorkerArgs>),
    /// Migrate the database's schema and exit.
    Migrate,
    /// Manage the master keys that seal secrets in the database.
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Manage the keys that sign access tokens.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Verify, list and export the audit trail: who changed what.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Check or print the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the API description (OpenAPI).
    Openapi,
}

/// Options of a single service.
#[derive(Args, Clone, Default)]
pub(crate) struct ServiceArgs {
    /// Allow everything without sign-in; only on a loopback address.
    #[arg(long)]
    pub(crate) insecure_dev: bool,
}

/// Options of `up`.
#[derive(Args, Clone, Default)]
pub(crate) struct UpArgs {
    /// Register the examples, run one on the local worker and show it, then keep serving.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Allow everything without sign-in; only on a loopback address.
    #[arg(long)]
    pub(crate) insecure_dev: bool,
    /// Folders, besides the data folder, whose scripts the local worker may run. Symbolic links out of them are refused.
    #[arg(long, env = "REGENTE_SCRIPTS", num_args = 1.., value_delimiter = ',', value_name = "DIR")]
    pub(crate) scripts: Vec<PathBuf>,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Report every fault of the settings.
    Check,
    /// Print the effective settings, without secrets.
    Print,
}

impl Cli {
    /// Runs the command. A fault is one line on standard error, with exit code 1, or 64 (`EX_USAGE` of sysexits.h) for settings.
    #[must_use]
    pub fn run(self) -> ExitCode {
        if matches!(
            self.command,
            Command::Up(_) | Command::Orchestrator(_) | Command::ApiGateway(_) | Command::Scheduler(_) | Command::Worker(_)
        ) {
            worker_agent::allocator::settle();
        }
        let settings = || crate::load_settings(self.config.as_deref());
        let done = match self.command {
            Command::Worker(args) => match work::run(*args) {
                Ok(code) => return code,
                Err(error) => Err(error),
            },
            Command::Hub(command) => return commands::run(command),
            Command::Openapi => terminal::line(&crate::api_doc().to_pretty_json().unwrap_or_default()).map_err(Into::into),
            Command::Up(args) => match settings() {
                Ok(settings) => up::run(settings, args),
                Err(error) => return unusable(&error),
            },
            Command::Orchestrator(args) => match settings() {
                Ok(settings) => up::run_alone(settings, "orchestrator", &args),
                Err(error) => return unusable(&error),
            },
            Command::ApiGateway(args) => match settings() {
                Ok(settings) => up::run_alone(settings, "api-gateway", &args),
                Err(error) => return unusable(&error),
            },
            Command::Scheduler(args) => match settings() {
                Ok(settings) => up::run_alone(settings, "scheduler", &args),
                Err(error) => return unusable(&error),
            },
            Command::SlaMonitor(args) => match settings() {
                Ok(settings) => up::run_alone(settings, "sla-monitor", &args),
                Err(error) => return unusable(&error),
            },
            Command::Migrate => match settings() {
                Ok(settings) => up::migrate(&settings),
                Err(error) => return unusable(&error),
            },
            Command::Secrets(command) => match settings() {
                Ok(settings) => maintain::secrets(&settings, &command),
                Err(error) => return unusable(&error),
            },
            Command::Keys(command) => match settings() {
                Ok(settings) => maintain::keys(&settings, &command),
                Err(error) => return unusable(&error),
            },
            Command::Audit(AuditCommand::Hub(command)) => return commands::run_audit(command),
            Command::Audit(AuditCommand::Verify(args)) => match settings() {
                Ok(settings) => match audit::verify(&settings, args) {
                    Ok(code) => return code,
                    Err(error) => Err(error),
                },
                Err(error) => return unusable(&error),
            },
            Command::Config(command) => match (settings(), command) {
                (Ok(_), ConfigCommand::Check) => terminal::line("the settings are fine").map_err(Into::into),
                (Ok(settings), ConfigCommand::Print) => match settings.to_toml() {
                    Ok(text) => terminal::text(&text).map_err(Into::into),
                    Err(error) => return unusable(&error),
                },
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
