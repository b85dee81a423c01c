use chrono::{DateTime, Utc};
use domain::{
    ids::AutomationId,
    policy::{Pause, PauseScope},
};

use super::Catalog;

impl Catalog {
    /// Takes in what was just written.
    pub(crate) fn put_queue_pause(&self, queue: &str, pause: Option<Pause>) {
        self.wrote();
        let Ok(mut pauses) = self.queue_pauses.write() else { return };
        match pause {
            Some(pause) => pauses.insert(queue.to_owned(), pause),
            None => pauses.remove(queue),
        };
    }
}

/// Pauses that last at a time, as far as they are known: at once those made by this replica, with the next tick those of others.
impl Catalog {
    /// What keeps a job of this automation in this queue from starting; the queue's pause before the automation's.
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
        self.cached(automation_id)?.automation.pause.clone().filter(|pause| pause.holds(now))
    }

    /// Automations that are paused themselves.
    pub(crate) fn paused_automations(&self, now: DateTime<Utc>) -> Vec<AutomationId> {
        let Ok(entries) = self.entries.read() else { return Vec::new() };
        let is_paused = |id: &&AutomationId| entries.by_id.get(id).is_some_and(|entry| entry.automation.is_paused(now));
        entries.paused.iter().filter(is_paused).copied().collect()
    }
}
