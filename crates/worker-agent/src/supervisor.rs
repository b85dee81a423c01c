//! A process between the agent and one job's program, the subreaper of everything that descends from the program.
//!
//! As subreaper (`PR_SET_CHILD_SUBREAPER`) it remains the ancestor of whatever leaves the process group, the session, the environment or
//! its parent. So the agent finds every process of the job below it, and none of another job. It lives until the last of them has ended and
//! reaps them all; its exit is the end of the job's processes. The agent could be the subreaper itself, but then nothing would show which
//! job an orphan came from.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    os::{
        fd::AsFd as _,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Command, ExitCode, Stdio},
};

use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Pid, WaitOptions, wait};

/// First argument that makes this executable a supervisor.
pub const SUPERVISE: &str = "supervise-job";

/// What a supervisor reports to its agent, one line each.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The program runs as this process.
    Started(i32),
    /// It could not be started: the system's error number.
    Failed(i32),
    /// It has ended, with this status as `wait` gives it.
    Ended(i32),
}

impl Event {
    fn line(&self) -> String {
        match self {
            Self::Started(pid) => format!("started {pid}\n"),
            Self::Failed(error) => format!("failed {error}\n"),
            Self::Ended(status) => format!("ended {status}\n"),
        }
    }

    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (word, number) = line.split_once(' ')?;
        let number = number.parse().ok()?;
        match word {
            "started" => Some(Self::Started(number)),
            "failed" => Some(Self::Failed(number)),
            "ended" => Some(Self::Ended(number)),
            _ => None,
        }
    }
}

/// User and group that a program runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// [`Ids`] as an argument of a supervisor.
pub(crate) fn rights_word(ids: Option<Ids>) -> String {
    ids.map_or_else(|| "-".to_owned(), |Ids { user, group }| format!("{user}:{group}"))
}

fn rights(word: &str) -> Option<Ids> {
    let (user, group) = word.split_once(':')?;
    Some(Ids { user: user.parse().ok()?, group: group.parse().ok()? })
}

/// Runs as a supervisor if the command line requests it: `supervise-job <user:group or -> <program> <argument>…`, with a socket to the
/// agent as standard input. Call it first in `main` of the executable that agents start as supervisor: their own, unless their settings
/// name another.
#[must_use]
pub fn supervise_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != SUPERVISE {
        return None;
    }
    Some(supervise(arguments).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

fn supervise(mut arguments: impl Iterator<Item = OsString>) -> io::Result<()> {
    let mut agent = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let ids = arguments.next().and_then(|word| rights(word.to_str()?));
    let mut command = Command::new(arguments.next().unwrap_or_default());
    command.args(arguments).stdin(Stdio::null()).process_group(0);
    if let Some(Ids { user, group }) = ids {
        command.uid(user).gid(group);
    }
    nix::sys::prctl::set_name(c"regente-job")?;
    nix::sys::prctl::set_child_subreaper(true)?;
    let started = command.spawn();
    // The agent carries out a stop of the whole group or session. Blocked after the start, because the program would inherit the mask.
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect();
    signals.thread_block()?;
    let program = match started {
        Ok(program) => program.id().cast_signed(),
        Err(error) => return send(&mut agent, &Event::Failed(error.raw_os_error().unwrap_or_default())),
    };
    // If the agent is gone, the report fails; the processes are reaped all the same.
    let _gone = send(&mut agent, &Event::Started(program));
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == own(program) => {
                let _gone = send(&mut agent, &Event::Ended(status.as_raw()));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // No child is left, hence no descendant.
            Err(_) => return Ok(()),
        }
    }
}

fn own(pid: i32) -> Pid {
    Pid::from_raw(pid).unwrap_or(Pid::INIT)
}

fn send(agent: &mut UnixStream, event: &Event) -> io::Result<()> {
    agent.write_all(event.line().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_lines() {
        for event in [Event::Started(7), Event::Failed(2), Event::Ended(256)] {
            assert_eq!(Event::parse(event.line().trim_end()), Some(event));
        }
        for line in ["", "started", "started x", "test result: ok. 0 passed"] {
            assert_eq!(Event::parse(line), None, "{line}");
        }
        let ids = Ids { user: 1000, group: 100 };
        assert_eq!((rights(&rights_word(Some(ids))), rights(&rights_word(None))), (Some(ids), None));
    }
}
