//! Commands that ask a hub over its API, as people at a terminal and scripts use them: one file per group, thin over `client`.
//!
//! What they must hold: standard output has what was asked for and nothing else (with `--output json` exactly the API's bodies); everything that
//! is said beside it goes to standard error; how it ended is the exit code ([`Exit`]); an error names its cause and the next step; what robots
//! wrote cannot steer the terminal.

mod automation;
mod credentials;
mod fault;
mod interrupt;
mod job;
mod login;
mod output;
mod parameters;
mod remote;
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

/// What comes of a command.
type Outcome = Result<Exit, Fault>;

/// Commands that ask a hub.
#[derive(Subcommand)]
pub(crate) enum HubCommand {
    /// Sign in at a hub and keep the token for the next commands.
    Login(login::LoginArgs),
    /// Forget the token of a hub.
    Logout(login::LogoutArgs),
    /// Register and look at automations.
    Automation(automation::AutomationArgs),
    /// Run an automation.
    Run(Box<run::RunArgs>),
    /// Look at jobs, follow, cancel and retry them.
    Job(job::JobArgs),
    /// Print a script that completes these commands in a shell.
    Completions {
        /// Of which shell.
        shell: Shell,
    },
}

/// Does what the command says.
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
            HubCommand::Logout(args) => login::logout(args),
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
