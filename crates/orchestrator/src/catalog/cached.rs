//! Automations and pauses in memory. Independent of the database, so that decisions based on it can be tested without one.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, OnceLock, RwLock},
    time::Instant,
};

use chrono::{DateTime, Utc};
use domain::{
    automation::QueueProfile,
    ids::AutomationId,
    policy::{Pause, PauseScope},
};
use store::automations::Automation;

use super::schema::Schema;

/// An automation with its schema.
pub(crate) struct Entry {
    pub(crate) automation: Automation,
    /// Compiled on first use; or why it cannot be used, for example because it was stored when limits were wider.
    pub(super) schema: Arc<OnceLock<Result<Schema, String>>>,
    pub(super) read_at: Instant,
}

/// Automations and queue pauses as this replica last read or wrote them. No call blocks.
#[derive(Default)]
pub(crate) struct CachedAutomations {
    entries: RwLock<Entries>,
    queue_pauses: RwLock<HashMap<String, Pause>>,
}

/// Automations by id, and those with a pause, which may have expired.
#[derive(Default)]
struct Entries {
    by_id: HashMap<AutomationId, Arc<Entry>>,
    paused: BTreeSet<AutomationId>,
}

impl CachedAutomations {
    /// The automation, if it is cached.
    pub(crate) fn get(&self, id: AutomationId) -> Option<Arc<Entry>> {
        self.entries.read().ok()?.by_id.get(&id).cloned()
    }

    /// Caches an automation if `is_current` still holds under the write lock.
    pub(super) fn insert(&self, entry: Arc<Entry>, is_current: impl FnOnce() -> bool) {
        let Ok(mut entries) = self.entries.write() else { return };
        if !is_current() {
            return;
        }
        let id = entry.automation.id;
        match entry.automation.pause {
            Some(_) => entries.paused.insert(id),
            None => entries.paused.remove(&id),
        };
        entries.by_id.insert(id, entry);
    }

    pub(super) fn set_queue_pause(&self, queue: &str, pause: Option<Pause>) {
        let Ok(mut pauses) = self.queue_pauses.write() else { return };
        match pause {
            Some(pause) => pauses.insert(queue.to_owned(), pause),
            None => pauses.remove(queue),
        };
    }

    pub(super) fn set_queue_pauses(&self, pauses: HashMap<String, Pause>) {
        if let Ok(mut cached) = self.queue_pauses.write() {
            *cached = pauses;
        }
    }

    /// Whether the automation has a concurrency or rate limit, or may have one because it is not known yet.
    pub(crate) fn is_limited(&self, id: AutomationId) -> bool {
        self.get(id).is_none_or(|entry| {
            let draft = &entry.automation.draft;
            draft.max_concurrency.is_some() || draft.policy.rate_limit.is_some()
        })
    }

    /// The profile of `queue`: of several automations with a profile, the last changed one decides.
    pub(crate) fn queue_profile(&self, queue: &str) -> Option<QueueProfile> {
        let entries = self.entries.read().ok()?;
        let automations = entries.by_id.values().map(|entry| &entry.automation);
        let naming = automations.filter(|automation| automation.draft.queue_name == queue && automation.draft.queue_profile.is_some());
        naming.max_by_key(|automation| (automation.archived_at.is_none(), automation.updated_at, automation.id))?.draft.queue_profile
    }

    /// Queues for which an automation has a profile.
    pub(crate) fn named_queues(&self) -> BTreeSet<String> {
        let Ok(entries) = self.entries.read() else { return BTreeSet::new() };
        let automations = entries.by_id.values().map(|entry| &entry.automation).filter(|automation| automation.archived_at.is_none());
        let naming = automations.filter(|automation| automation.draft.queue_profile.is_some());
        naming.map(|automation| automation.draft.queue_name.clone()).collect()
    }
}

/// Pauses in effect at a time: those of this replica at once, those of others after the next tick.
impl CachedAutomations {
    /// The pause that applies to a job of this automation in this queue: the queue's, else the automation's.
    pub(crate) fn pause_of(&self, automation_id: AutomationId, queue: &str, now: DateTime<Utc>) -> Option<(PauseScope, Pause)> {
        let of_automation = || self.automation_pause(automation_id, now).map(|pause| (PauseScope::Automation, pause));
        self.queue_pause(queue, now).map(|pause| (PauseScope::Queue, pause)).or_else(of_automation)
    }

    /// The queue's pause.
    pub(crate) fn queue_pause(&self, queue: &str, now: DateTime<Utc>) -> Option<Pause> {
        self.queue_pauses.read().ok()?.get(queue).filter(|pause| pause.holds(now)).cloned()
    }

    /// The automation's own pause.
    pub(crate) fn automation_pause(&self, automation_id: AutomationId, now: DateTime<Utc>) -> Option<Pause> {
        self.get(automation_id)?.automation.pause.clone().filter(|pause| pause.holds(now))
    }

    /// Paused automations.
    pub(crate) fn paused_automations(&self, now: DateTime<Utc>) -> Vec<AutomationId> {
        let Ok(entries) = self.entries.read() else { return Vec::new() };
        let is_paused = |id: &&AutomationId| entries.by_id.get(id).is_some_and(|entry| entry.automation.is_paused(now));
        entries.paused.iter().filter(is_paused).copied().collect()
    }
}

#[cfg(test)]
impl CachedAutomations {
    /// Only these automations.
    pub(crate) fn of(automations: impl IntoIterator<Item = Automation>) -> Self {
        let cached = Self::default();
        for automation in automations {
            cached.insert(Arc::new(Entry { automation, schema: Arc::default(), read_at: Instant::now() }), || true);
        }
        cached
    }

    pub(crate) fn pause_queue(&self, queue: &str, pause: Option<Pause>) {
        self.set_queue_pause(queue, pause);
    }
}
