use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::{ids::AutomationId, policy::RateLimit};
use store::{Error, LazyTransaction, jobs::JobRow};

use crate::automations::Catalog;

/// Places that are free within limits: of automations, of concurrency keys, of rates. They are counted under a lock, so that two hubs do not
/// count the same free place.
#[derive(Default)]
pub(super) struct Limits {
    locked: bool,
    /// How many more jobs of each automation may run.
    free: HashMap<AutomationId, Option<i64>>,
    /// How many jobs have each key.
    used: HashMap<String, i64>,
    rates: HashMap<AutomationId, Rate>,
    /// Keys that were full for some job.
    full_keys: BTreeSet<String>,
}

/// The rate limit of an automation.
struct Rate {
    tat: Option<DateTime<Utc>>,
    /// A start was admitted that is not written yet.
    changed: bool,
    /// When a start is admitted next, once one was refused.
    next_at: Option<DateTime<Utc>>,
}

/// What a job takes places of.
struct Claims<'a> {
    automation_id: AutomationId,
    limited: bool,
    key: Option<(&'a str, i64)>,
    rate: Option<RateLimit>,
}

fn claims<'a>(catalog: &Catalog, row: &'a JobRow) -> Claims<'a> {
    let entry = catalog.peek(row.automation_id);
    let draft = entry.as_ref().map(|entry| &entry.automation.draft);
    let key_limit = draft.map_or(1, |draft| draft.policy.concurrency_key_limit);
    Claims {
        automation_id: row.automation_id,
        limited: draft.is_some_and(|draft| draft.max_concurrency.is_some()),
        key: row.terms.concurrency_key.as_deref().map(|key| (key, key_limit)),
        rate: draft.and_then(|draft| draft.policy.rate_limit),
    }
}

impl Limits {
    /// Learns what is not known yet of the limits of these jobs.
    pub(super) async fn load<'a>(
        &mut self,
        txn: &LazyTransaction<'_>,
        catalog: &Catalog,
        rows: impl Iterator<Item = &'a JobRow>,
    ) -> Result<(), Error> {
        let (mut automations, mut keys, mut rates) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for row in rows {
            let claims = claims(catalog, row);
            automations.extend(Some(claims.automation_id).filter(|id| claims.limited && !self.free.contains_key(id)));
            keys.extend(claims.key.map(|(key, _)| key.to_owned()).filter(|key| !self.used.contains_key(key)));
            rates.extend(Some(claims.automation_id).filter(|id| claims.rate.is_some() && !self.rates.contains_key(id)));
        }
        if automations.is_empty() && keys.is_empty() && rates.is_empty() {
            return Ok(());
        }
        let txn = txn.get().await?;
        if !std::mem::replace(&mut self.locked, true) {
            store::jobs::job_lock_admission_in_txn(txn).await?;
        }
        if !automations.is_empty() {
            let ids: Vec<AutomationId> = automations.into_iter().collect();
            let active = store::jobs::job_count_active_in_txn(txn, &ids).await?;
            for (id, limit) in store::automations::automation_lock_limits_in_txn(txn, &ids).await? {
                let used: i64 = active.iter().filter(|(counted, _)| *counted == id).map(|(_, jobs)| jobs).sum();
                self.free.insert(id, limit.map(|limit| limit - used));
            }
        }
        if !keys.is_empty() {
            let keys: Vec<String> = keys.into_iter().collect();
            let used = store::jobs::job_count_active_by_key_in_txn(txn, &keys).await?;
            self.used.extend(keys.into_iter().map(|key| (key, 0)));
            self.used.extend(used);
        }
        if !rates.is_empty() {
            let ids: Vec<AutomationId> = rates.into_iter().collect();
            let tats = store::automations::automation_lock_rates_in_txn(txn, &ids).await?;
            self.rates.extend(tats.into_iter().map(|(id, tat)| (id, Rate { tat, changed: false, next_at: None })));
        }
        Ok(())
    }

    /// Takes a place of each of the job's limits; none when one of them has none left.
    pub(super) fn take(&mut self, catalog: &Catalog, row: &JobRow, now: DateTime<Utc>) -> Result<(), &'static str> {
        let claims = claims(catalog, row);
        let free = self.free.get_mut(&claims.automation_id).and_then(Option::as_mut);
        if free.as_ref().is_some_and(|free| **free <= 0) {
            return Err("as many jobs of this automation run as may run at once; the job waits");
        }
        let used = claims.key.and_then(|(key, limit)| Some((self.used.get_mut(key)?, key, limit)));
        if let Some((used, key, limit)) = &used
            && **used >= *limit
        {
            self.full_keys.insert((*key).to_owned());
            return Err("as many jobs with this concurrency key run as may run at once; the job waits");
        }
        if let Some((limit, rate)) = claims.rate.zip(self.rates.get_mut(&claims.automation_id)) {
            match limit.admit(rate.tat, now) {
                Ok(tat) => *rate = Rate { tat: Some(tat), changed: true, next_at: None },
                Err(next_at) => {
                    rate.next_at = Some(next_at);
                    return Err("the automation started as many jobs lately as it may; the job waits");
                }
            }
        }
        if let Some(free) = free {
            *free -= 1;
        }
        if let Some((used, ..)) = used {
            *used += 1;
        }
        Ok(())
    }

    /// Automations none of whose jobs may start now.
    pub(super) fn full(&self) -> Vec<AutomationId> {
        let full = self.free.iter().filter(|(_, free)| free.is_some_and(|free| free <= 0)).map(|(id, _)| *id);
        full.chain(self.rates.iter().filter(|(_, rate)| rate.next_at.is_some()).map(|(id, _)| *id)).collect()
    }

    /// Concurrency keys that have no place left.
    pub(super) fn full_keys(&self) -> Vec<String> {
        self.full_keys.iter().cloned().collect()
    }

    /// When a rate limit that refused a start admits one next.
    pub(super) fn next_at(&self) -> Option<DateTime<Utc>> {
        self.rates.values().filter_map(|rate| rate.next_at).min()
    }

    /// Writes what the rates must remember.
    pub(super) async fn write(&mut self, txn: &LazyTransaction<'_>) -> Result<(), Error> {
        for (id, rate) in self.rates.iter_mut().filter(|(_, rate)| rate.changed) {
            rate.changed = false;
            if let Some(tat) = rate.tat {
                store::automations::automation_set_rate_in_txn(txn.get().await?, *id, tat).await?;
            }
        }
        Ok(())
    }
}
