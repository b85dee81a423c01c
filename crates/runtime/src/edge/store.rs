//! Where a limiter keeps its keys.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use governor::{nanos::Nanos, state::StateStore};

/// Keys of one limiter that are kept.
pub(super) const MOST: usize = 10_000;

/// When each key's quota is whole again. Never more than [`MOST`]: the ones that are whole soonest are evicted, so that a key that has to wait
/// stays while others come and go.
#[derive(Debug)]
pub(super) struct Bounded<K>(Mutex<HashMap<K, u64>>);

impl<K> Default for Bounded<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K> Bounded<K> {
    fn entries(&self) -> MutexGuard<'_, HashMap<K, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> StateStore for Bounded<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(key) {
            let (outcome, next) = measure(Some((*entry).into()))?;
            *entry = next.as_u64();
            return Ok(outcome);
        }
        let (outcome, next) = measure(None)?;
        if entries.len() >= MOST {
            make_room(&mut entries);
        }
        entries.insert(key.clone(), next.as_u64());
        Ok(outcome)
    }
}

/// Evicts at least a tenth, so that this is seldom.
fn make_room<K>(entries: &mut HashMap<K, u64>) {
    let mut times: Vec<u64> = entries.values().copied().collect();
    let (_, last, _) = times.select_nth_unstable(MOST / 10 - 1);
    let last = *last;
    entries.retain(|_, time| *time > last);
}

#[cfg(test)]
impl<K> Bounded<K> {
    pub(super) fn len(&self) -> usize {
        self.entries().len()
    }
}
