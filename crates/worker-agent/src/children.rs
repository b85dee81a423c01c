//! Distinguishes the agent's own children from orphans that the system reparents to it.
//!
//! An own child is waited for by whoever started it, and must not be reaped here; an orphan of a job has nobody else. So a child is
//! registered under the same lock under which orphans are searched.

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

/// Between two searches for ended orphans.
const REAP_EVERY: Duration = Duration::from_secs(5);

/// The agent's own children, which it waits for. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Children {
    own_children: Arc<Mutex<HashSet<i32>>>,
    /// This process is only a worker: any other child is an orphan of a job.
    reaps_orphans: bool,
}

/// An own child, registered until this is dropped.
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
        // Held during the start, so that the child cannot be taken for an orphan before it is registered.
        let mut own_children = self.own_children();
        let child = command.spawn()?;
        let pid = child.id().map_or(0, u32::cast_signed);
        own_children.insert(pid);
        drop(own_children);
        Ok(OwnChild { child, pid, children: self.clone() })
    }

    /// Adopts the orphans of killed supervisors, and reaps those that end, until the agent ends.
    pub(crate) async fn reap(self) {
        if !self.reaps_orphans {
            return;
        }
        if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
            tracing::warn!(%error, "a job whose supervisor is killed may leave processes");
        }
        loop {
            tokio::time::sleep(REAP_EVERY).await;
            self.reap_orphans(false);
        }
    }

    /// Reaps ended orphans that were reparented to this process: as process 1 of a container, or as the subreaper of killed supervisors.
    /// With `kill` it first kills those that live, and returns their number.
    fn reap_orphans(&self, kill: bool) -> usize {
        if !self.reaps_orphans {
            return 0;
        }
        let own_children = self.own_children();
        let own = std::process::id().cast_signed();
        let orphans = tree::children_of(own).into_iter().filter(|process| !own_children.contains(&process.pid()));
        let mut killed = 0;
        for orphan in orphans {
            if kill && orphan.is_alive() {
                orphan.kill();
                killed += 1;
            }
            if let Some(pid) = Pid::from_raw(orphan.pid()) {
                // One that was just killed is reaped in the next round.
                let _reaped = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
        killed
    }

    fn own_children(&self) -> MutexGuard<'_, HashSet<i32>> {
        self.own_children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OwnChild {
    /// This supervisor was killed: kills the processes that were reparented to this process.
    pub(crate) fn end_orphans(&self) {
        let processes = self.children.reap_orphans(true);
        if processes > 0 {
            tracing::warn!(processes, "killed processes of a job whose supervisor was killed");
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
        self.children.own_children().remove(&self.pid);
    }
}
