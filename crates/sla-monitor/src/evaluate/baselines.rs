//! What earlier runs of automations say, remembered while no run succeeds.
//!
//! What must hold: what is remembered is of the last success that the database has; an event, or another replica, is not needed to know that.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    duration::{self, Sensitivity},
    ids::AutomationId,
    schedule::Zone,
    sla::{History, Past},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use store::{
    Database, Error,
    slas::{sla_list_history_unscoped, sla_list_last_ends_unscoped},
};

/// How many are remembered, at most.
const MOST: usize = 1000;
/// How old runs may be that say something.
const AGE: TimeDelta = TimeDelta::days(400);
/// Reads at the same time.
const AT_ONCE: usize = 4;

/// Histories of automations.
pub(crate) type Histories = HashMap<Of, Arc<History>>;

/// Of which automation, on whose clock, and how sensitive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Of {
    pub(crate) automation_id: AutomationId,
    pub(crate) zone: String,
    pub(crate) sensitivity: Sensitivity,
}

/// What is remembered of one.
struct Entry {
    /// The last success that it is of.
    last_at: Option<DateTime<Utc>>,
    history: Arc<History>,
    /// Counts uses, the latest the highest.
    used: u64,
}

/// Histories of automations.
#[derive(Clone, Default)]
pub(crate) struct Baselines(Arc<Mutex<Remembered>>);

#[derive(Default)]
struct Remembered {
    entries: HashMap<Of, Entry>,
    uses: u64,
}

impl Baselines {
    /// The histories of these, as the database has them now.
    pub(crate) async fn get(&self, database: &Database, asked: HashMap<Of, Zone>, now: DateTime<Utc>) -> Result<Histories, Error> {
        if asked.is_empty() {
            return Ok(HashMap::new());
        }
        let automations: BTreeSet<AutomationId> = asked.keys().map(|of| of.automation_id).collect();
        let last = sla_list_last_ends_unscoped(database, &Vec::from_iter(automations), now - AGE).await?;
        let (mut found, missing) = self.known(asked, &last);
        let missing_automations: BTreeSet<AutomationId> = missing.iter().map(|(of, _)| of.automation_id).collect();
        let read = |id: AutomationId| async move {
            // One more than a baseline has: the last is judged by those before it.
            let limit = u64::try_from(duration::MAX_RUNS).unwrap_or_default() + 1;
            Ok::<_, Error>((id, sla_list_history_unscoped(database, id, now - AGE, limit).await?))
        };
        let runs: HashMap<AutomationId, Vec<Past>> =
            stream::iter(missing_automations).map(read).buffer_unordered(AT_ONCE).try_collect().await?;
        // Medians of a thousand runs, of many automations: off the threads that serve requests.
        let compute = move || {
            let history = |(of, zone): (Of, Zone)| {
                let runs = runs.get(&of.automation_id).map_or(&[][..], Vec::as_slice);
                let history = Arc::new(History::of(runs, &zone, of.sensitivity));
                (of, history)
            };
            missing.into_iter().map(history).collect::<Vec<_>>()
        };
        let computed = tokio::task::spawn_blocking(compute).await.map_err(|error| Error::Unavailable(error.to_string()))?;
        self.remember(&computed, &last);
        found.extend(computed);
        Ok(found)
    }

    /// What is remembered and still so, and the others.
    fn known(&self, asked: HashMap<Of, Zone>, last: &HashMap<AutomationId, DateTime<Utc>>) -> (Histories, Vec<(Of, Zone)>) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.uses += 1;
        let uses = remembered.uses;
        let (mut found, mut missing) = (HashMap::new(), Vec::new());
        for (of, zone) in asked {
            let entry = remembered.entries.get_mut(&of).filter(|entry| entry.last_at == last.get(&of.automation_id).copied());
            match entry {
                Some(entry) => {
                    entry.used = uses;
                    found.insert(of, entry.history.clone());
                }
                None => missing.push((of, zone)),
            }
        }
        (found, missing)
    }

    fn remember(&self, computed: &[(Of, Arc<History>)], last: &HashMap<AutomationId, DateTime<Utc>>) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let uses = remembered.uses;
        for (of, history) in computed {
            let entry = Entry { last_at: last.get(&of.automation_id).copied(), history: history.clone(), used: uses };
            remembered.entries.insert(of.clone(), entry);
        }
        let excess = remembered.entries.len().saturating_sub(MOST);
        if excess > 0 {
            let mut by_use: Vec<(u64, Of)> = remembered.entries.iter().map(|(of, entry)| (entry.used, of.clone())).collect();
            by_use.sort_unstable();
            for (_, of) in by_use.into_iter().take(excess) {
                remembered.entries.remove(&of);
            }
        }
    }
}
