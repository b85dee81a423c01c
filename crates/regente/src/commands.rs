//! Commands that call a hub's API, for people at a terminal and for scripts: one file per group, thin over `client`.
//!
//! Invariants: standard output has the requested data and nothing else (with `--output json` exactly the API's bodies); everything else
//! goes to standard error; the exit code is the outcome ([`Exit`]); an error names its cause and the next step; output of robots cannot
//! control the terminal.

mod alert;
mod audit;
mod automation;
mod browser_sign_in;
mod calendar;
mod chain;
mod channel;
mod credentials;
mod domain;
mod events;
mod fault;
mod hook;
mod interrupt;
mod job;
mod key;
mod login;
mod named;
mod notification;
mod output;
mod parameters;
mod pause;
mod queue;
mod remote;
mod renewal;
mod report;
mod report_plan;
mod run;
mod schedule;
mod silence;
mod sla;
mod user;
mod watch;
mod worker;

use std::process::ExitCode;

use clap::{CommandFactory as _, Subcommand};
use clap_complete::Shell;

use self::fault::{Exit, Fault};
pub(crate) use self::{
    audit::AuditCommand,
    output::LogPrinter,
    watch::{Lines, View},
    worker::WorkersCommand,
};
use crate::terminal;

/// Result of a command.
type Outcome = Result<Exit, Fault>;

/// Commands that call a hub.
#[derive(Subcommand)]
pub(crate) enum HubCommand {
    /// Sign in at a hub and store the token for the next commands.
    Login(login::LoginArgs),
    /// Delete the stored token of a hub.
    Logout(login::LogoutArgs),
    /// Change your own password.
    Passwd(login::PasswdArgs),
    /// Register, show, pause, resume and archive automations.
    Automation(automation::AutomationArgs),
    /// Run an automation.
    Run(Box<run::RunArgs>),
    /// List, show, follow, pause, resume, cancel and retry jobs.
    Job(job::JobArgs),
    /// Create, change, preview, run, pause, export and import schedules.
    Schedule(Box<schedule::ScheduleArgs>),
    /// List, pause and resume queues.
    Queue(queue::QueueArgs),
    /// Create, list and revoke API keys for programs.
    Key(key::KeyArgs),
    /// Add, change, import and delete calendars, which schedules obey.
    Calendar(calendar::CalendarArgs),
    /// Create, change and watch chains, which run an automation after others have ended.
    Chain(Box<chain::ChainArgs>),
    /// Create, change and test channels, over which people are told of alerts.
    Channel(channel::ChannelArgs),
    /// Create, change and watch inbound webhooks, at which requests of other systems start jobs.
    Hook(hook::HookArgs),
    /// Create, change, mute and watch SLA rules: what is expected of automations, queues and workers.
    Sla(Box<sla::SlaArgs>),
    /// List, show, acknowledge, resolve, mute and comment alerts.
    Alert(Box<alert::AlertArgs>),
    /// List messages to channels, show what became of one, and send it once more.
    Notification(notification::NotificationArgs),
    /// Show how automations did in a day or a week.
    Report(report::ReportArgs),
    /// Create and change report plans: reports that leave by e-mail each day or week.
    ReportPlan(report_plan::ReportPlanArgs),
    /// Add, change and delete domains, which own automations.
    Domain(domain::DomainArgs),
    /// Add, change and deactivate users, grant them rights, and end their sessions.
    User(user::UserArgs),
    /// Print what happens in the hub, as it happens.
    Events(events::EventsArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Runs the command.
pub(crate) fn run(command: HubCommand) -> ExitCode {
    finish(outcome(command))
}

/// Runs a command for the workers of a hub.
pub(crate) fn run_workers(command: WorkersCommand) -> ExitCode {
    finish(worker::run(command))
}

/// Runs a command for the audit trail of a hub.
pub(crate) fn run_audit(command: AuditCommand) -> ExitCode {
    finish(audit::run(command))
}

/// Runs it and reports a failure.
fn finish(outcome: impl Future<Output = Outcome>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Fault::from);
    match runtime.and_then(|runtime| runtime.block_on(outcome)) {
        Ok(exit) => exit.into(),
        Err(fault) => {
            if let Some(text) = &fault.text {
                terminal::fault(text);
            }
            fault.exit.into()
        }
    }
}

async fn outcome(command: HubCommand) -> Outcome {
    match command {
        HubCommand::Login(args) => login::login(args).await,
        HubCommand::Logout(args) => login::logout(args).await,
        HubCommand::Passwd(args) => login::passwd(args).await,
        HubCommand::Automation(args) => automation::run(args).await,
        HubCommand::Run(args) => run::run(*args).await,
        HubCommand::Job(args) => job::run(args).await,
        HubCommand::Schedule(args) => schedule::run(*args).await,
        HubCommand::Queue(args) => queue::run(args).await,
        HubCommand::Key(args) => key::run(args).await,
        HubCommand::Calendar(args) => calendar::run(args).await,
        HubCommand::Chain(args) => chain::run(*args).await,
        HubCommand::Channel(args) => channel::run(args).await,
        HubCommand::Hook(args) => hook::run(args).await,
        HubCommand::Sla(args) => sla::run(*args).await,
        HubCommand::Alert(args) => alert::run(*args).await,
        HubCommand::Notification(args) => notification::run(args).await,
        HubCommand::Report(args) => report::run(args).await,
        HubCommand::ReportPlan(args) => report_plan::run(args).await,
        HubCommand::Domain(args) => domain::run(args).await,
        HubCommand::User(args) => user::run(args).await,
        HubCommand::Events(args) => events::run(args).await,
        HubCommand::Completions { shell } => completions(shell),
    }
}

fn completions(shell: Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::cli::Cli::command(), "regente", &mut script);
    terminal::text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    /// Every subcommand of this one, with its path.
    fn commands<'a>(command: &'a Command, path: &str) -> Vec<(String, &'a Command)> {
        let path = format!("{path} {}", command.get_name()).trim().to_owned();
        let below = command.get_subcommands().flat_map(|below| commands(below, &path));
        below.chain([(path.clone(), command)]).collect()
    }

    #[test]
    fn the_guide_names_every_command_and_option() {
        let guide = include_str!("../../../docs/CLI.md");
        let mut missing = Vec::new();
        for (path, command) in commands(&crate::cli::Cli::command(), "") {
            let words: Vec<&str> = path.split(' ').collect();
            let is_here = match words[1..] {
                ["worker", name, ..] => ["list", "pause", "resume"].contains(&name),
                [name, ..] => {
                    let here = [
                        "login",
                        "logout",
                        "alert",
                        "automation",
                        "channel",
                        "notification",
                        "sla",
                        "run",
                        "job",
                        "queue",
                        "report",
                        "report-plan",
                        "key",
                        "calendar",
                        "domain",
                        "user",
                        "events",
                        "audit",
                        "completions",
                    ];
                    here.contains(&name)
                }
                [] => false,
            };
            if !is_here {
                continue;
            }
            if !command.has_subcommands() && !guide.contains(&path) {
                missing.push(path);
            }
            let options = command.get_arguments().filter_map(|argument| argument.get_long());
            missing.extend(options.map(|name| format!("--{name}")).filter(|name| !guide.contains(name) && name != "--config"));
        }
        assert!(missing.is_empty(), "docs/CLI.md does not name {missing:?}");
    }
}
