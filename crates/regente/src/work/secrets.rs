//! Keeps what only the worker may know out of what others can look at.
//!
//! The command line of a process is everybody's to read, its environment its user's, and robots may be that user. So a worker that was given
//! a secret in one of them starts itself once more in the same process without it, and reads it from a pipe. No other process of its user may
//! look into its memory either.

use std::{
    ffi::{OsStr, OsString},
    io::{Read as _, Write as _},
    os::unix::{ffi::OsStrExt as _, process::CommandExt as _},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::args::WorkerOptions;

/// Options with secrets, and the variables of the environment that stand for them.
const SECRETS: [(&str, &str); 2] = [("--key", "REGENTE_WORKER_KEY"), ("--amqp", "REGENTE_AMQP_URL")];
/// Says that the secrets are on standard input.
const ON_STDIN: &str = "--secrets-on-stdin";
/// What a pipe takes before anybody reads it.
const MOST_BYTES: usize = 60 * 1024;

#[derive(Default, Serialize, Deserialize)]
struct Secrets {
    key: Option<String>,
    amqp: Option<String>,
}

/// Takes the secrets in, wherever they are given. It returns in a process whose command line and environment have none.
pub(super) fn take_in(options: &mut WorkerOptions) -> anyhow::Result<()> {
    if options.secrets_on_stdin {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the secrets on standard input")?;
        let secrets: Secrets = serde_json::from_str(&text).context("there are no secrets on standard input")?;
        (options.key, options.amqp) = (secrets.key, secrets.amqp);
    } else if options.key.is_some() || options.amqp.is_some() {
        start_again(&Secrets { key: options.key.clone(), amqp: options.amqp.clone() })?;
    }
    // Its memory and its open files are nobody else's to look at, except root's.
    nix::sys::prctl::set_dumpable(false).context("cannot hide the memory of this process")
}

fn start_again(secrets: &Secrets) -> anyhow::Result<()> {
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
    // It returns only when it cannot be done.
    Err(command.exec()).context("cannot start this program again without its secrets")
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
