//! The agent's own children, told apart from orphans that the system gives it.

use std::{
    collections::HashSet,
    io,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, WaitOptions, waitpid};
use tokio::process::{Child, Command};

use crate::process::tree;

/// Between two looks for ended orphans.
const REAP_EVERY: Duration = Duration::from_secs(5);

/// The children that somebody here waits for. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Children {
    known: Arc<Mutex<HashSet<i32>>>,
    /// This process is there for nothing else: any other child is an orphan of a job.
    reaps_orphans: bool,
}

/// A child that somebody here waits for, until this is dropped.
pub(crate) struct OwnChild {
    child: Child,
    pid: i32,
    children: Children,
}

impl Children {
    pub(crate) fn new(reaps_orphans: bool) -> Self {
        Self { reaps_orphans, ..Self::default() }
    }

    /// Starts a child.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<OwnChild> {
        // Held during the start: nobody may take it for an orphan before it is known.
        let mut known = self.known();
        let child = command.spawn()?;
        let pid = child.id().map_or(0, u32::cast_signed);
        known.insert(pid);
        drop(known);
        Ok(OwnChild { child, pid, children: self.clone() })
    }

    /// Takes over the orphans of supervisors that are killed, and reaps all that end, until the agent does.
    pub(crate) async fn reap(self) {
        if !self.reaps_orphans {
            return;
        }
        if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
            tracing::warn!(%error, "a job whose supervisor somebody kills may leave processes");
        }
        loop {
            tokio::time::sleep(REAP_EVERY).await;
            self.reap_orphans(false);
        }
    }

    /// Reaps the ended orphans that this process was given: as process 1 of a container, or as the subreaper of supervisors that were killed.
    /// With `kill` it ends those that live first. Gives the number of those.
    fn reap_orphans(&self, kill: bool) -> usize {
        if !self.reaps_orphans {
            return 0;
        }
        let known = self.known();
        let own = std::process::id().cast_signed();
        let orphans = tree::children_of(own).into_iter().filter(|process| !known.contains(&process.pid()));
        let mut killed = 0;
        for orphan in orphans {
            if kill && orphan.is_alive() {
                orphan.kill();
                killed += 1;
            }
            if let Some(pid) = Pid::from_raw(orphan.pid()) {
                // One that was just killed is reaped next time.
                let _reaped = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
        killed
    }

    fn known(&self) -> MutexGuard<'_, HashSet<i32>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OwnChild {
    /// This supervisor was killed: ends what has come to this process instead.
    pub(crate) fn end_orphans(&self) {
        let processes = self.children.reap_orphans(true);
        if processes > 0 {
            tracing::warn!(processes, "killed what a job without a supervisor had left");
        }
    }
}

impl Deref for OwnChild {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for OwnChild {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        self.children.known().remove(&self.pid);
    }
}
