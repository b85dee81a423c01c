//! Commands that call a hub's API, for people at a terminal and for scripts: one file per group, thin over `client`.
//!
//! Invariants: standard output has the requested data and nothing else (with `--output json` exactly the API's bodies); everything else
//! goes to standard error; the exit code is the outcome ([`Exit`]); an error names its cause and the next step; output of robots cannot
//! control the terminal.

mod automation;
mod credentials;
mod fault;
mod interrupt;
mod job;
mod login;
mod output;
mod parameters;
mod remote;
mod renewal;
mod run;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, Subcommand};
use clap_complete::Shell;

use self::fault::{Exit, Fault};
pub(crate) use self::{
    output::LogPrinter,
    watch::{Lines, View},
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
    /// Register and show automations.
    Automation(automation::AutomationArgs),
    /// Run an automation.
    Run(Box<run::RunArgs>),
    /// List, show, follow, cancel and retry jobs.
    Job(job::JobArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Runs the command.
pub(crate) fn run(command: HubCommand) -> ExitCode {
    match outcome(command) {
        Ok(exit) => exit.into(),
        Err(fault) => {
            if let Some(text) = &fault.text {
                terminal::fault(text);
            }
            fault.exit.into()
        }
    }
}

fn outcome(command: HubCommand) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            HubCommand::Login(args) => login::login(args).await,
            HubCommand::Logout(args) => login::logout(args).await,
            HubCommand::Automation(args) => automation::run(args).await,
            HubCommand::Run(args) => run::run(*args).await,
            HubCommand::Job(args) => job::run(args).await,
            HubCommand::Completions { shell } => completions(shell),
        }
    })
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
            let is_here =
                ["login", "logout", "automation", "run", "job", "completions"].iter().any(|name| path.split(' ').nth(1) == Some(name));
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
