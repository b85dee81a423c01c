//! Hides the worker's secrets from its robots.
//!
//! Every user can read the command line of a process, and its own user can read its environment and memory; robots may run as that user. A
//! worker that receives a secret in arguments or environment therefore replaces itself (exec) by a process without it and passes the secret
//! through a pipe. It also denies other processes access to its memory.

use std::{
    ffi::{OsStr, OsString},
    io::{Read as _, Write as _},
    os::unix::{ffi::OsStrExt as _, process::CommandExt as _},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::args::WorkerOptions;

/// Options with secrets, and their environment variables.
const SECRETS: [(&str, &str); 2] = [("--key", "REGENTE_WORKER_KEY"), ("--amqp", "REGENTE_AMQP_URL")];
/// Option to read the secrets from standard input.
const ON_STDIN: &str = "--secrets-on-stdin";
/// Maximum size of the secrets: a pipe must buffer them before they are read.
const MOST_BYTES: usize = 60 * 1024;

#[derive(Default, Serialize, Deserialize)]
struct Secrets {
    key: Option<String>,
    amqp: Option<String>,
}

/// Receives the secrets from any source. It returns in a process whose command line and environment have none.
pub(super) fn receive(options: &mut WorkerOptions) -> anyhow::Result<()> {
    if options.secrets_on_stdin {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the secrets on standard input")?;
        let secrets: Secrets = serde_json::from_str(&text).context("there are no secrets on standard input")?;
        (options.key, options.amqp) = (secrets.key, secrets.amqp);
    } else if options.key.is_some() || options.amqp.is_some() {
        restart_without(&Secrets { key: options.key.clone(), amqp: options.amqp.clone() })?;
    }
    // Only root may inspect its memory and open files.
    nix::sys::prctl::set_dumpable(false).context("cannot protect the memory of this process")
}

fn restart_without(secrets: &Secrets) -> anyhow::Result<()> {
    let text = serde_json::to_vec(secrets)?;
    if text.len() > MOST_BYTES {
        bail!("the key or the broker's address is longer than {MOST_BYTES} bytes");
    }
    let (reader, mut writer) = std::io::pipe()?;
    writer.write_all(&text)?;
    drop(writer);
    let program = std::env::current_exe().context("cannot find this program's file")?;
    let mut command = Command::new(program);
    command.args(without_secrets(std::env::args_os().skip(1))).arg(ON_STDIN).stdin(Stdio::from(reader));
    for (_, variable) in SECRETS {
        command.env_remove(variable);
    }
    // exec returns only on failure.
    Err(command.exec()).context("cannot restart this program without its secrets")
}

fn without_secrets(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let is = |option: &str| argument == option;
        let begins = |option: &str| begins_with(&argument, option);
        if SECRETS.iter().any(|(option, _)| is(option)) {
            drop(arguments.next());
        } else if !SECRETS.iter().any(|(option, _)| begins(option)) {
            kept.push(argument);
        }
    }
    kept
}

/// `--option=value`
fn begins_with(argument: &OsStr, option: &str) -> bool {
    argument.as_bytes().strip_prefix(option.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_with_secrets_are_left_out() {
        let given = ["worker", "--queue", "q", "--key", "s", "--slots", "2", "--amqp=amqp://s@x", "--key-file", "f", "--key=s"];
        let kept = without_secrets(given.into_iter().map(OsString::from));
        assert_eq!(kept, ["worker", "--queue", "q", "--slots", "2", "--key-file", "f"]);
    }
}
