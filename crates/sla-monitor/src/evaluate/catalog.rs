//! Automations and pauses in memory, as the database last had them: which of them a rule is about, and which are kept from running.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, DomainId},
    policy::Pause,
    sla::{Hold, Target},
};
use store::automations::Automation;

/// What is known of an automation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) queue: String,
    pub(crate) domain: Option<DomainId>,
    pub(crate) pause: Option<Pause>,
    pub(crate) is_archived: bool,
}

/// Automations and pauses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    automations: BTreeMap<AutomationId, Entry>,
    pub(crate) queue_pauses: HashMap<String, Pause>,
}

impl Catalog {
    pub(crate) fn put(&mut self, automation: Automation) {
        let entry = Entry {
            queue: automation.draft.queue_name,
            domain: automation.draft.domain_id,
            pause: automation.pause,
            is_archived: automation.archived_at.is_some(),
        };
        self.automations.insert(automation.id, entry);
    }

    pub(crate) fn get(&self, id: AutomationId) -> Option<&Entry> {
        self.automations.get(&id)
    }

    /// The automations that a rule is about, without archived ones.
    pub(crate) fn of(&self, target: &Target) -> Vec<(AutomationId, &Entry)> {
        let live = |(id, entry): (&AutomationId, &'_ Entry)| !entry.is_archived && self.automations.contains_key(id);
        match target {
            Target::Automation(id) => {
                self.automations.get_key_value(id).filter(|found| live(*found)).map(|(id, entry)| (*id, entry)).into_iter().collect()
            }
            Target::Queue(name) => self.live().filter(|(_, entry)| entry.queue == *name).collect(),
            Target::Domain(domain) => self.live().filter(|(_, entry)| entry.domain == Some(*domain)).collect(),
            Target::Everything => self.live().collect(),
        }
    }

    fn live(&self) -> impl Iterator<Item = (AutomationId, &Entry)> {
        self.automations.iter().filter(|(_, entry)| !entry.is_archived).map(|(id, entry)| (*id, entry))
    }

    /// The queues that a rule is about.
    pub(crate) fn queues_of(&self, target: &Target) -> BTreeSet<String> {
        match target {
            Target::Queue(name) => BTreeSet::from([name.clone()]),
            other => self.of(other).into_iter().map(|(_, entry)| entry.queue.clone()).collect(),
        }
    }

    /// The automations of these queues.
    pub(crate) fn in_queues(&self, queues: &BTreeSet<String>) -> Vec<AutomationId> {
        self.live().filter(|(_, entry)| queues.contains(&entry.queue)).map(|(id, _)| id).collect()
    }

    /// Whether it or its queue is paused.
    pub(crate) fn hold(&self, id: AutomationId, now: DateTime<Utc>) -> Hold {
        let Some(entry) = self.get(id) else { return Hold::None };
        let pauses = [entry.pause.as_ref(), self.queue_pauses.get(&entry.queue)];
        let held: Vec<&Pause> = pauses.into_iter().flatten().filter(|pause| pause.holds(now)).collect();
        // Of two the later end counts, and no end is the latest.
        let ends = held.iter().map(|pause| pause.until).collect::<Option<Vec<_>>>();
        match ends {
            _ if held.is_empty() => Hold::None,
            Some(ends) => Hold::Paused(ends.into_iter().max()),
            None => Hold::Paused(None),
        }
    }

    /// Whether a queue is paused.
    pub(crate) fn is_queue_paused(&self, name: &str, now: DateTime<Utc>) -> bool {
        self.queue_pauses.get(name).is_some_and(|pause| pause.holds(now))
    }
}
