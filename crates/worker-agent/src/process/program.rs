//! A job's program below its supervisor.

use std::{io, os::unix::process::ExitStatusExt as _, process::ExitStatus};

use domain::ids::JobId;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::UnixStream,
    process::Command,
};

use super::{supervise::Ended, tree::Tree};
use crate::{
    children::{Children, OwnChild},
    supervisor::Event,
};

/// A running program. Dropped before its end, it is killed with everything it started.
pub(super) struct Program {
    tree: Tree,
    supervisor: OwnChild,
    events: Lines<BufReader<UnixStream>>,
    ended: bool,
}

impl Program {
    /// Starts the program; `command` starts its supervisor. Dropping the future kills both.
    ///
    /// # Errors
    /// As if the program had been started directly.
    pub(super) async fn start(mut command: Command, job: JobId, children: &Children) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        command.stdin(std::process::Stdio::from(std::os::fd::OwnedFd::from(theirs)));
        let supervisor = children.spawn(&mut command).map_err(|error| no_supervisor(&error))?;
        // The command holds the other end of the socket, which must close with the supervisor.
        drop(command);
        let tree = Tree::below(&supervisor, job).ok_or_else(|| no_supervisor(&"it has no process id"))?;
        let mut program = Self { tree, supervisor, events: BufReader::new(UnixStream::from_std(ours)?).lines(), ended: false };
        match program.event().await {
            Some(Event::Started(pid)) => program.tree.set_root(pid),
            Some(Event::Failed(error)) => return Err(io::Error::from_raw_os_error(error)),
            Some(Event::Ended(_)) | None => {
                program.lose();
                return Err(no_supervisor(&"it has not reported the start of the program"));
            }
        }
        Ok(program)
    }

    pub(super) const fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(super) fn supervisor(&mut self) -> &mut OwnChild {
        &mut self.supervisor
    }

    /// Waits for the end of the program itself. Cancel safe.
    pub(super) async fn ended(&mut self) -> Ended {
        match self.event().await {
            Some(Event::Ended(status)) => {
                self.ended = true;
                Ended::Exit(ExitStatus::from_raw(status))
            }
            Some(Event::Started(_) | Event::Failed(_)) | None => Ended::Unknown(io::Error::other("its supervisor was killed")),
        }
    }

    /// Waits until no process of the job is left. Cancel safe.
    pub(super) async fn gone(&mut self) {
        // The supervisor exits after the last of them, with success.
        if self.supervisor.wait().await.is_ok_and(|status| status.success()) {
            return;
        }
        self.lose();
        while self.tree.is_populated() {
            tokio::time::sleep(super::supervise::POLL).await;
        }
    }

    /// The program itself has ended.
    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// The supervisor was killed: what is left of the job has been reparented, perhaps to this process.
    fn lose(&mut self) {
        self.tree.kill();
        self.supervisor.end_orphans();
    }

    async fn event(&mut self) -> Option<Event> {
        Event::parse(&self.events.next_line().await.ok()??)
    }
}

fn no_supervisor(why: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("its supervisor does not work: {why}"))
}
