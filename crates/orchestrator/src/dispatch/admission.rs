//! Admission: slots within the concurrency limits of automations, keys and schedules, and rate limits of starts.
//!
//! Used slots are counted under a database lock that all replicas share, and admitted jobs are written in the same transaction, so that no
//! two replicas take the same free slot.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, ScheduleId},
    policy::RateLimit,
};
use store::jobs::JobRow;

use crate::catalog::CachedAutomations;

/// Free slots, as far as they are counted.
#[derive(Default)]
pub(crate) struct Admission {
    /// Free slots of each automation; `None`: unlimited.
    free: HashMap<AutomationId, Option<i64>>,
    /// Used slots of each key.
    used: HashMap<String, i64>,
    /// Used slots of each schedule.
    of_schedules: HashMap<ScheduleId, i64>,
    rates: HashMap<AutomationId, Rate>,
    /// Keys without a free slot for some job.
    full_keys: BTreeSet<String>,
    /// Schedules without a free slot for some job.
    full_schedules: BTreeSet<ScheduleId>,
    /// Automations that no longer exist.
    gone: BTreeSet<AutomationId>,
}

/// The rate limit of an automation.
struct Rate {
    tat: Option<DateTime<Utc>>,
    /// Whether an admitted start is not written yet.
    changed: bool,
    /// When the next start is admitted, once one was refused.
    next_at: Option<DateTime<Utc>>,
}

/// Limits that are not counted yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Uncounted {
    /// Automations whose jobs must be counted.
    pub(crate) automations: Vec<AutomationId>,
    /// Concurrency keys whose jobs must be counted.
    pub(crate) keys: Vec<String>,
    /// Schedules whose jobs must be counted, each with its automation.
    pub(crate) schedules: Vec<(ScheduleId, AutomationId)>,
    /// Automations whose rate limit must be read.
    pub(crate) rates: Vec<AutomationId>,
}

/// Counted slots.
#[derive(Default)]
pub(crate) struct Counted {
    /// The limit of each automation, and the number of its dispatched and held jobs.
    pub(crate) automations: Vec<(AutomationId, Option<i64>, i64)>,
    /// The number of dispatched and held jobs with each key.
    pub(crate) keys: Vec<(String, i64)>,
    /// The number of dispatched and held jobs of each schedule.
    pub(crate) schedules: Vec<(ScheduleId, i64)>,
    /// The theoretical arrival time of each automation's rate limit.
    pub(crate) rates: Vec<(AutomationId, Option<DateTime<Utc>>)>,
}

/// The limits that a job is subject to.
struct Applicable<'a> {
    automation_id: AutomationId,
    concurrency: bool,
    key: Option<(&'a str, i64)>,
    schedule: Option<(ScheduleId, i64)>,
    rate: Option<RateLimit>,
}

fn applicable<'a>(automations: &CachedAutomations, row: &'a JobRow) -> Applicable<'a> {
    let entry = automations.get(row.automation_id);
    let draft = entry.as_ref().map(|entry| &entry.automation.draft);
    let key_limit = draft.map_or(1, |draft| draft.policy.concurrency_key_limit);
    Applicable {
        automation_id: row.automation_id,
        // Of an automation that another replica has added a moment ago, the limit is read with the count.
        concurrency: draft.is_none_or(|draft| draft.max_concurrency.is_some()),
        key: row.terms.concurrency_key.as_deref().map(|key| (key, key_limit)),
        schedule: row.origin.schedule_id.zip(row.terms.max_concurrency.map(i64::from)),
        rate: draft.and_then(|draft| draft.policy.rate_limit),
    }
}

impl Uncounted {
    pub(crate) const fn is_empty(&self) -> bool {
        self.automations.is_empty() && self.keys.is_empty() && self.schedules.is_empty() && self.rates.is_empty()
    }
}

impl Admission {
    /// Limits of these jobs that are not counted yet.
    pub(crate) fn uncounted<'a>(&self, automations: &CachedAutomations, rows: impl Iterator<Item = &'a JobRow>) -> Uncounted {
        let (mut limited, mut keys, mut schedules, mut rates) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for row in rows {
            let limits = applicable(automations, row);
            limited.extend(Some(limits.automation_id).filter(|id| limits.concurrency && !self.free.contains_key(id)));
            keys.extend(limits.key.map(|(key, _)| key.to_owned()).filter(|key| !self.used.contains_key(key)));
            let schedule = limits.schedule.filter(|(id, _)| !self.of_schedules.contains_key(id));
            schedules.extend(schedule.map(|(id, _)| (id, limits.automation_id)));
            rates.extend(Some(limits.automation_id).filter(|id| limits.rate.is_some() && !self.rates.contains_key(id)));
        }
        Uncounted {
            automations: limited.into_iter().collect(),
            keys: keys.into_iter().collect(),
            schedules: schedules.into_iter().collect(),
            rates: rates.into_iter().collect(),
        }
    }

    /// Adds counted limits.
    pub(crate) fn count(&mut self, counted: Counted) {
        let free = |(id, limit, used): (AutomationId, Option<i64>, i64)| (id, limit.map(|limit| limit - used));
        self.free.extend(counted.automations.into_iter().map(free));
        self.used.extend(counted.keys);
        self.of_schedules.extend(counted.schedules);
        self.rates.extend(counted.rates.into_iter().map(|(id, tat)| (id, Rate { tat, changed: false, next_at: None })));
    }

    /// Takes a slot of each of the job's limits, or none if one has no free slot. The limits must be counted.
    pub(crate) fn admit(&mut self, automations: &CachedAutomations, row: &JobRow, now: DateTime<Utc>) -> Result<(), &'static str> {
        let limits = applicable(automations, row);
        let free = self.free.get_mut(&limits.automation_id).and_then(Option::as_mut);
        if free.as_ref().is_some_and(|free| **free <= 0) {
            return Err("the automation's concurrency limit is reached; the job stays pending");
        }
        let used = limits.key.and_then(|(key, limit)| Some((self.used.get_mut(key)?, key, limit)));
        if let Some((used, key, limit)) = &used
            && **used >= *limit
        {
            self.full_keys.insert((*key).to_owned());
            return Err("the limit of this concurrency key is reached; the job stays pending");
        }
        let of_schedule = limits.schedule.and_then(|(id, limit)| Some((self.of_schedules.get_mut(&id)?, id, limit)));
        if let Some((used, id, limit)) = &of_schedule
            && **used >= *limit
        {
            self.full_schedules.insert(*id);
            return Err("the concurrency limit of its schedule is reached; the job stays pending");
        }
        if let Some((limit, rate)) = limits.rate.zip(self.rates.get_mut(&limits.automation_id)) {
            match limit.admit(rate.tat, now) {
                Ok(tat) => *rate = Rate { tat: Some(tat), changed: true, next_at: None },
                Err(next_at) => {
                    rate.next_at = Some(next_at);
                    return Err("the automation's rate limit is reached; the job stays pending");
                }
            }
        }
        if let Some(free) = free {
            *free -= 1;
        }
        if let Some((used, ..)) = used {
            *used += 1;
        }
        if let Some((used, ..)) = of_schedule {
            *used += 1;
        }
        Ok(())
    }

    /// Releases the slots of a counted job that is no longer held.
    pub(crate) fn free(&mut self, row: &JobRow) {
        if let Some(free) = self.free.get_mut(&row.automation_id).and_then(Option::as_mut) {
            *free += 1;
        }
        if let Some(key) = &row.terms.concurrency_key
            && let Some(used) = self.used.get_mut(key)
        {
            *used -= 1;
            self.full_keys.remove(key);
        }
        if let Some(id) = row.origin.schedule_id
            && let Some(used) = self.of_schedules.get_mut(&id)
        {
            *used -= 1;
            self.full_schedules.remove(&id);
        }
    }

    /// Excludes jobs of an automation that no longer exists.
    pub(crate) fn exclude(&mut self, automation_id: AutomationId) {
        self.gone.insert(automation_id);
    }

    /// Automations without a free slot.
    pub(crate) fn full(&self) -> Vec<AutomationId> {
        let full = self.free.iter().filter(|(_, free)| free.is_some_and(|free| free <= 0)).map(|(id, _)| *id);
        let rates = self.rates.iter().filter(|(_, rate)| rate.next_at.is_some()).map(|(id, _)| *id);
        full.chain(rates).chain(self.gone.iter().copied()).collect()
    }

    /// Concurrency keys without a free slot.
    pub(crate) fn full_keys(&self) -> Vec<String> {
        self.full_keys.iter().cloned().collect()
    }

    /// Schedules without a free slot.
    pub(crate) fn full_schedules(&self) -> Vec<ScheduleId> {
        self.full_schedules.iter().copied().collect()
    }

    /// When the first rate limit that refused a start admits one.
    pub(crate) fn next_start_at(&self) -> Option<DateTime<Utc>> {
        self.rates.values().filter_map(|rate| rate.next_at).min()
    }

    /// Takes the rate limits that changed since the last call and must be written.
    pub(crate) fn take_changed_rates(&mut self) -> Vec<(AutomationId, DateTime<Utc>)> {
        let changed = self.rates.iter_mut().filter_map(|(id, rate)| std::mem::take(&mut rate.changed).then_some((*id, rate.tat?)));
        changed.collect()
    }
}
