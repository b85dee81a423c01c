use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::job::Status;
use store::workers::Worker;
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

use super::{Claim, Reply};

/// What the writer knows by heart about who waits for jobs and where they are. It may be wrong about what other replicas do, and is read
/// again from the database every tick; nothing but the pace of giving out depends on it.
#[derive(Default)]
pub(super) struct Desk {
    /// Queues in which a job may wait that can be given out.
    pub(super) waiting: BTreeSet<String>,
    /// Jobs with the broker, by queue.
    undelivered: Places,
    /// Jobs that a worker holds, by queue.
    held: Places,
    /// Slots of the live workers that take messages, by queue. Zero for a queue that workers only claim from.
    slots: HashMap<String, usize>,
    /// Claims that wait.
    pub(super) parked: Vec<Parked>,
}

/// A claim that waits for a job.
pub(super) struct Parked {
    pub(super) claim: Claim,
    pub(super) reply: oneshot::Sender<Reply>,
    pub(super) deadline: Instant,
    /// It has not been looked at yet: what its worker lost on the way is given again.
    pub(super) fresh: bool,
}

/// How many messages a broker queue may hold.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) unknown: usize,
    pub(crate) lookahead: usize,
}

impl Desk {
    /// Messages that may be added to `queue` now.
    pub(super) fn room(&self, queue: &str, window: Window) -> usize {
        let undelivered = self.undelivered.count(queue);
        let allowed = match self.slots.get(queue) {
            Some(slots) => slots.saturating_sub(self.held.count(queue)) + window.lookahead,
            None => window.unknown,
        };
        allowed.saturating_sub(undelivered)
    }

    /// Whether some claim waits for jobs of `queue`.
    pub(super) fn is_claimed(&self, queue: &str) -> bool {
        self.parked.iter().any(|parked| parked.claim.request.queues.iter().any(|wanted| wanted == queue))
    }

    /// Jobs of `queue` whose messages nobody may ever take: they were sent before it was known that its workers only claim.
    pub(super) fn stranded(&self, queue: &str) -> Vec<Uuid> {
        if self.slots.get(queue) != Some(&0) || self.undelivered.count(queue) == 0 {
            return Vec::new();
        }
        self.undelivered.of(queue)
    }

    pub(super) fn handed_to_broker(&mut self, queue: &str, id: Uuid) {
        self.undelivered.insert(queue, id);
    }

    pub(super) fn is_undelivered(&self, id: Uuid) -> bool {
        self.undelivered.queues.contains_key(&id)
    }

    pub(super) fn taken_back(&mut self, queue: &str, id: Uuid) {
        self.undelivered.remove(id);
        self.waiting.insert(queue.to_owned());
    }

    /// A job's state was committed.
    pub(super) fn saw(&mut self, queue: &str, id: Uuid, status: Status) {
        match status {
            Status::Pending => {}
            Status::Running | Status::Paused => {
                self.undelivered.remove(id);
                self.held.insert(queue, id);
            }
            Status::Completed | Status::CompletedNoInvoices | Status::Failed | Status::Canceled => {
                self.undelivered.remove(id);
                self.held.remove(id);
            }
        }
    }

    /// `workers` seen since `live_since` are live. Others still tell that a queue is claimed from: its workers may be back any moment.
    pub(super) fn set_workers(&mut self, workers: &[Worker], live_since: DateTime<Utc>) {
        self.slots.clear();
        for worker in workers {
            let live = worker.last_seen_at >= live_since;
            let slots = if worker.uses_broker && live { usize::try_from(worker.slots).unwrap_or(0) } else { 0 };
            for queue in worker.queues.iter().filter(|_| live || !worker.uses_broker) {
                *self.slots.entry(queue.clone()).or_default() += slots;
            }
        }
    }

    pub(super) fn set_jobs(&mut self, undelivered: Vec<(Uuid, String)>, held: Vec<(Uuid, String)>) {
        self.undelivered = undelivered.into_iter().collect();
        self.held = held.into_iter().collect();
    }
}

/// Jobs and the queue each belongs to.
#[derive(Default)]
struct Places {
    queues: HashMap<Uuid, String>,
    counts: HashMap<String, usize>,
}

impl Places {
    fn insert(&mut self, queue: &str, id: Uuid) {
        if self.queues.insert(id, queue.to_owned()).is_none() {
            *self.counts.entry(queue.to_owned()).or_default() += 1;
        }
    }

    fn remove(&mut self, id: Uuid) {
        let Some(queue) = self.queues.remove(&id) else { return };
        if let Some(count) = self.counts.get_mut(&queue) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&queue);
            }
        }
    }

    fn of(&self, queue: &str) -> Vec<Uuid> {
        let mut jobs: Vec<Uuid> = self.queues.iter().filter(|(_, of)| *of == queue).map(|(id, _)| *id).collect();
        jobs.sort_unstable();
        jobs
    }

    fn count(&self, queue: &str) -> usize {
        self.counts.get(queue).copied().unwrap_or(0)
    }
}

impl FromIterator<(Uuid, String)> for Places {
    fn from_iter<I: IntoIterator<Item = (Uuid, String)>>(jobs: I) -> Self {
        let mut places = Self::default();
        for (id, queue) in jobs {
            places.insert(&queue, id);
        }
        places
    }
}
