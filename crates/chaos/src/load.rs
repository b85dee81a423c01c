//! Clients that submit jobs, repeat unanswered requests, and record what was accepted.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::ids::JobId;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    api::{Api, Request, Submitted},
    journal::Journal,
    robots,
    shapes::Shape,
};

const CLIENTS: usize = 6;
/// Prefix of their requests' keys.
pub(crate) const CLIENT_KEY: &str = "job-";
/// One in this many accepted requests is repeated, at both hubs at once.
const REPEATED: u32 = 8;
/// Concurrency keys, which jobs of both queues share: few, so that they are short.
const LANES: u32 = 2;

/// What was accepted: the job of each key. All answers for a key must name the same job.
#[derive(Default)]
pub(crate) struct Ledger {
    jobs: Mutex<HashMap<String, (JobId, i32)>>,
    /// Jobs whose cancellation was requested.
    cancels: Mutex<HashSet<JobId>>,
    /// Ends that robots without an agent reported.
    reports: Mutex<HashMap<JobId, &'static str>>,
    /// Requests that were repeated because their outcome was unknown.
    pub(crate) repeats: AtomicUsize,
}

impl Ledger {
    /// Records an answer; returns the job of an earlier answer if that differs.
    pub(crate) fn note(&self, request: &Request, job: JobId) -> Option<JobId> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, _) = *jobs.entry(request.key.clone()).or_insert((job, request.automation));
        (first != job).then_some(first)
    }

    /// Records that a job is about to be canceled.
    pub(crate) fn note_cancel(&self, job: JobId) {
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner).insert(job);
    }

    /// Every job whose cancellation was requested.
    pub(crate) fn cancels(&self) -> HashSet<JobId> {
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records the end that a robot without an agent reports.
    pub(crate) fn note_report(&self, job: JobId, status: &'static str) {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).insert(job, status);
    }

    /// Every such report.
    pub(crate) fn reports(&self) -> HashMap<JobId, &'static str> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every accepted key with its job and automation.
    pub(crate) fn accepted(&self) -> HashMap<String, (JobId, i32)> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Shared by the clients.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) api: Api,
    pub(crate) shapes: Arc<Vec<Shape>>,
    pub(crate) books: PathBuf,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) journal: Arc<Journal>,
}

impl Load {
    /// Submits `jobs` jobs, spread over `time`; ends when each was accepted.
    pub(crate) async fn run(self, seed: u64, jobs: usize, time: Duration) {
        let begun = Instant::now();
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let this = self.clone();
            clients.spawn(async move {
                let mut random = StdRng::seed_from_u64(seed ^ ((client as u64 + 1) << 32));
                for number in (client..jobs).step_by(CLIENTS) {
                    let share = u32::try_from(number).unwrap_or(0);
                    sleep_until(begun + time * share / u32::try_from(jobs).unwrap_or(1).max(1)).await;
                    let request = this.request(format!("{CLIENT_KEY}{number}"), &mut random);
                    this.submit(&request, &mut random).await;
                }
            });
        }
        while clients.join_next().await.is_some() {}
    }

    fn request(&self, key: String, random: &mut StdRng) -> Request {
        let whole: u32 = self.shapes.iter().map(|shape| shape.weight).sum();
        let mut place = random.random_range(0..whole.max(1));
        let chosen = self.shapes.iter().find(|shape| match place.checked_sub(shape.weight) {
            Some(rest) => {
                place = rest;
                false
            }
            None => true,
        });
        let shape = chosen.unwrap_or(&self.shapes[0]);
        let quarters = random.random_range(shape.quarters.0..=shape.quarters.1);
        let mut parameters = robots::parameters(&self.books, quarters, shape.failures);
        parameters.insert("lane".to_owned(), random.random_range(0..LANES).into());
        Request { automation: shape.automation, parameters, priority: random.random_range(0..=8), key }
    }

    /// Submits to one hub or the other until the job is accepted.
    async fn submit(&self, request: &Request, random: &mut StdRng) {
        loop {
            let hub = random.random_range(0..self.api.hubs());
            match self.api.execute(hub, request).await {
                Submitted::Accepted(job) => {
                    self.note(request, job);
                    break;
                }
                Submitted::Refused(text) => return self.journal.breach(format!("hub {hub} refused {}: {text}", request.key)),
                Submitted::Unknown(_) => drop(self.ledger.repeats.fetch_add(1, Ordering::Relaxed)),
            }
            sleep(Duration::from_millis(random.random_range(20..400))).await;
        }
        if random.random_ratio(1, REPEATED) {
            let answers = futures_util::future::join_all((0..self.api.hubs()).map(|hub| self.api.execute(hub, request))).await;
            for answer in answers {
                if let Submitted::Accepted(job) = answer {
                    self.note(request, job);
                }
            }
        }
    }

    fn note(&self, request: &Request, job: JobId) {
        if let Some(first) = self.ledger.note(request, job) {
            self.journal.breach(format!("key {} gave job {first} and later job {job}", request.key));
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_second_job_for_a_key_is_seen() {
        let ledger = Ledger::default();
        let request = Request { automation: 1, parameters: serde_json::Map::new(), priority: 1, key: "k".into() };
        let [first, second] = [1, 2].map(|id| JobId::new(Uuid::from_u128(id)));
        assert_eq!(ledger.note(&request, first), None);
        assert_eq!(ledger.note(&request, first), None);
        assert_eq!(ledger.note(&request, second), Some(first));
        assert_eq!(ledger.accepted()["k"], (first, 1));
    }
}
