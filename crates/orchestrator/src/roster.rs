use std::{
    collections::{HashMap, HashSet},
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use uuid::Uuid;

use crate::watchers::Watchers;

/// What this replica knows by heart about workers: their names, which never change, and who is paused. The latter is read again with each
/// tick; what this replica did itself it knows at once.
pub(crate) struct Roster {
    names: RwLock<HashMap<Uuid, String>>,
    paused: RwLock<HashSet<Uuid>>,
    watchers: Watchers,
    /// Counts what this replica did itself: a read that began before does not undo it.
    changes: AtomicU64,
}

impl Roster {
    pub(crate) fn new() -> Self {
        Self { names: RwLock::default(), paused: RwLock::default(), watchers: Watchers::default(), changes: AtomicU64::new(0) }
    }

    pub(crate) fn name(&self, id: Uuid) -> Option<String> {
        self.names.read().ok()?.get(&id).cloned()
    }

    pub(crate) fn knows(&self, id: Uuid) -> bool {
        self.names.read().is_ok_and(|names| names.contains_key(&id))
    }

    pub(crate) fn learn(&self, id: Uuid, name: String) {
        if let Ok(mut names) = self.names.write() {
            names.insert(id, name);
        }
    }

    pub(crate) fn forget(&self, id: Uuid) {
        if let Ok(mut names) = self.names.write() {
            names.remove(&id);
        }
        self.set_paused(id, false);
    }

    pub(crate) fn is_paused(&self, id: Uuid) -> bool {
        self.paused.read().is_ok_and(|paused| paused.contains(&id))
    }

    pub(crate) fn set_paused(&self, id: Uuid, paused: bool) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        if let Ok(mut all) = self.paused.write() {
            if paused {
                all.insert(id)
            } else {
                all.remove(&id)
            };
        }
        self.watchers.wake(id);
    }

    /// A stamp to take before the paused workers are read.
    pub(crate) fn stamp(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Takes in who is paused by the database, unless something was done here since `stamp`.
    pub(crate) fn read(&self, stamp: u64, paused: HashSet<Uuid>) {
        let Ok(mut all) = self.paused.write() else { return };
        if self.stamp() == stamp {
            all.symmetric_difference(&paused).for_each(|id| self.watchers.wake(*id));
            *all = paused;
        }
    }

    /// Waits until the worker is (or is not) paused. Cancel-safe.
    pub(crate) async fn until_paused(&self, id: Uuid, paused: bool) {
        let mut watch = self.watchers.watch(id);
        while self.is_paused(id) != paused {
            watch.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_read_does_not_undo_what_was_done_here() {
        let (roster, id) = (Roster::new(), Uuid::now_v7());
        let stamp = roster.stamp();
        roster.set_paused(id, true);
        roster.read(stamp, HashSet::new());
        assert!(roster.is_paused(id));
        roster.read(roster.stamp(), HashSet::new());
        assert!(!roster.is_paused(id));
    }
}
