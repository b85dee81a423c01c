//! The agent's own children, told apart from orphans that the system gives it.

use std::{
    collections::HashSet,
    io,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::process::{Pid, WaitOptions, waitpid};
use tokio::process::{Child, Command};

use crate::process::tree;

/// The children that somebody here waits for. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Children(Arc<Mutex<HashSet<i32>>>);

/// A child that somebody here waits for, until this is dropped.
pub(crate) struct OwnChild {
    child: Child,
    pid: i32,
    children: Children,
}

impl Children {
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

    /// Reaps the ended orphans that this process was given: as process 1 of a container, or as the subreaper of supervisors that were killed.
    /// With `kill` it ends those that live first. Gives the number of those.
    pub(crate) fn reap_orphans(&self, kill: bool) -> usize {
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
