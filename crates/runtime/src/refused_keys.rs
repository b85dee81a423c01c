use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::ids::JobId;

/// Maximum number of recorded addresses and of jobs: these callers are not authenticated.
const MOST: usize = 1000;
/// Minimum time between log lines about an address.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Counts requests to worker routes whose key or token is missing or wrong, and logs their origin. Clones share it.
#[derive(Clone, Default)]
pub struct RefusedKeys(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    total: u64,
    /// Requests of an address that are not logged yet, and the time of its last log line.
    addresses: HashMap<Option<IpAddr>, (u64, Instant)>,
    /// Refused starts by job since the last [`RefusedKeys::take_starts`].
    starts: HashMap<JobId, u32>,
}

impl RefusedKeys {
    /// Records a refused request from `address` that tried to start `job`.
    pub fn note(&self, address: Option<IpAddr>, job: Option<JobId>) {
        let now = Instant::now();
        let mut counts = self.counts();
        counts.total += 1;
        if let Some(job) = job
            && (counts.starts.len() < MOST || counts.starts.contains_key(&job))
        {
            *counts.starts.entry(job).or_default() += 1;
        }
        if counts.addresses.len() >= MOST {
            counts.addresses.retain(|_, (_, logged)| now.duration_since(*logged) < LOG_EVERY);
        }
        let is_known = counts.addresses.contains_key(&address);
        if !is_known && counts.addresses.len() >= MOST {
            return;
        }
        let (unlogged, logged) = counts.addresses.entry(address).or_insert((0, now));
        *unlogged += 1;
        if !is_known || now.duration_since(*logged) >= LOG_EVERY {
            let requests = std::mem::take(unlogged);
            *logged = now;
            let address = address.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
            tracing::warn!(
                client.address = address,
                requests,
                job.id = job.map(tracing::field::display),
                "a worker's key is missing or wrong; its requests are refused"
            );
        }
    }

    /// Number of refused requests since the process started.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts().total
    }

    /// Takes at most `most` jobs whose start was refused since the last call, with the number of times.
    #[must_use]
    pub fn take_starts(&self, most: usize) -> Vec<(JobId, u32)> {
        let mut counts = self.counts();
        let jobs: Vec<JobId> = counts.starts.keys().take(most).copied().collect();
        jobs.into_iter().filter_map(|job| counts.starts.remove_entry(&job)).collect()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn records_are_bounded_and_the_total_is_not() {
        let refused = RefusedKeys::default();
        let job = JobId::new(Uuid::from_u128(1));
        for nth in 0..3 * u32::try_from(MOST).unwrap() {
            refused.note(Some(IpAddr::from(nth.to_be_bytes())), Some(Uuid::from_u128(u128::from(nth % 1500)).into()));
        }
        refused.note(None, Some(job));
        assert_eq!(refused.total(), 3001);
        let counts = refused.counts();
        assert_eq!((counts.addresses.len(), counts.starts.len(), counts.starts[&job]), (MOST, MOST, 3));
        drop(counts);
        assert_eq!((refused.take_starts(400).len(), refused.take_starts(5000).len(), refused.take_starts(1).len()), (400, 600, 0));
    }
}
