use std::collections::{BTreeSet, HashMap};

use domain::{job::Status, worker::State};
use store::workers::Worker;
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

use super::{Claim, Reply, claims::Kind};

/// What the writer knows by heart about who waits for jobs and where they are. It may be wrong about what other replicas do, and is read
/// again from the database every tick; nothing but the pace of giving out depends on it.
#[derive(Default)]
pub(super) struct Desk {
    /// Queues in which a job may wait that can be given out.
    pub(super) waiting: BTreeSet<String>,
    /// Jobs with the broker, by queue.
    undelivered: Places,
    /// Jobs that take a slot of those in `slots`, by queue.
    held: Places,
    /// Slots of the live workers that take messages, by queue. Zero for a queue whose workers only claim, or are paused. `None` until it
    /// was read for the first time: before, nothing is sent.
    slots: Option<HashMap<String, usize>>,
    /// Live workers.
    workers: HashMap<Uuid, Known>,
    /// Queues in which a limit holds jobs back: the end of any job may free a place.
    pub(super) held_back: BTreeSet<String>,
    /// When a rate limit admits the next start.
    pub(super) look_again_at: Option<Instant>,
    /// Claims that wait.
    pub(super) parked: Vec<Parked>,
}

/// What is known of a live worker.
struct Known {
    labels: Vec<String>,
    uses_broker: bool,
    paused: bool,
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
        let Some(slots) = &self.slots else { return 0 };
        let allowed = match slots.get(queue) {
            Some(slots) => slots.saturating_sub(self.held.count(queue)) + window.lookahead,
            None => window.unknown,
        };
        allowed.saturating_sub(undelivered)
    }

    /// Whether some claim waits for jobs of `queue` that any worker can run.
    pub(super) fn is_claimed(&self, queue: &str) -> bool {
        self.claims(queue).any(|worker_id| self.takes(worker_id, Kind::Any))
    }

    /// Whether some claim waits for jobs of `queue`, also for those alone that require labels.
    pub(super) fn is_wanted(&self, queue: &str) -> bool {
        self.claims(queue).next().is_some()
    }

    fn claims(&self, queue: &str) -> impl Iterator<Item = Uuid> {
        let wants = move |parked: &&Parked| parked.claim.request.queues.iter().any(|wanted| wanted == queue);
        self.parked.iter().filter(wants).map(|parked| parked.claim.request.worker_id)
    }

    /// Whether this worker's claims may have jobs of this kind.
    pub(super) fn takes(&self, worker_id: Uuid, kind: Kind) -> bool {
        match (self.workers.get(&worker_id), kind) {
            (Some(worker), Kind::Any) => !worker.paused && !worker.uses_broker,
            (Some(worker), Kind::Special) => !worker.paused && !worker.labels.is_empty(),
            // One that registered at another replica just now.
            (None, Kind::Any) => true,
            (None, Kind::Special) => false,
        }
    }

    /// What this worker can do.
    pub(super) fn labels(&self, worker_id: Uuid) -> &[String] {
        self.workers.get(&worker_id).map_or(&[], |worker| &worker.labels)
    }

    /// Jobs whose messages nobody takes: they were sent before it was known that the live workers of their queue only claim, or are paused.
    pub(super) fn stranded(&self) -> Vec<(Uuid, String)> {
        let untaken = |queue: &String| self.slots.as_ref().and_then(|slots| slots.get(queue)) == Some(&0);
        self.undelivered.queues.iter().filter(|(_, queue)| untaken(queue)).map(|(id, queue)| (*id, queue.clone())).collect()
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
    pub(super) fn saw(&mut self, queue: &str, id: Uuid, status: Status, worker_id: Option<Uuid>) {
        match status {
            Status::Pending => {}
            Status::Running | Status::Paused => {
                self.undelivered.remove(id);
                if self.consumes(worker_id) {
                    self.held.insert(queue, id);
                }
            }
            Status::Completed | Status::CompletedNoInvoices | Status::Failed | Status::Canceled => {
                self.undelivered.remove(id);
                self.held.remove(id);
            }
        }
    }

    /// Learns of the workers that were heard of lately. One that is gone still tells that its queue is claimed from: it may be back any
    /// moment, and would never see a message.
    pub(super) fn set_workers(&mut self, workers: &[Worker], state: impl Fn(&Worker) -> State) {
        self.workers.clear();
        let mut slots: HashMap<String, usize> = HashMap::new();
        for worker in workers {
            let state = state(worker);
            let live = matches!(state, State::Running | State::Paused);
            if live {
                let known =
                    Known { labels: worker.labels.clone(), uses_broker: worker.uses_broker, paused: worker.life.paused_at.is_some() };
                self.workers.insert(worker.id, known);
            } else if worker.uses_broker {
                continue;
            }
            let free = if self.consumes(Some(worker.id)) { usize::try_from(worker.slots).unwrap_or(0) } else { 0 };
            for queue in &worker.queues {
                *slots.entry(queue.clone()).or_default() += free;
            }
        }
        self.slots = Some(slots);
    }

    /// The jobs with the broker, and those that workers hold. To be called after [`Desk::set_workers`].
    pub(super) fn set_jobs(&mut self, undelivered: Vec<(Uuid, String)>, held: Vec<(Uuid, String, Option<Uuid>)>) {
        self.undelivered = undelivered.into_iter().collect();
        let takes_slot = |(id, queue, worker_id): (Uuid, String, Option<Uuid>)| self.consumes(worker_id).then_some((id, queue));
        self.held = held.into_iter().filter_map(takes_slot).collect();
    }

    /// Whether the worker takes messages: its slots are counted, and so are the jobs that it holds.
    fn consumes(&self, worker_id: Option<Uuid>) -> bool {
        worker_id.and_then(|id| self.workers.get(&id)).is_some_and(|worker| worker.uses_broker && !worker.paused)
    }

    /// Takes out the claim of this worker that waits, if there is one.
    pub(super) fn unpark(&mut self, worker_id: Uuid) -> Option<Parked> {
        let place = self.parked.iter().position(|parked| parked.claim.request.worker_id == worker_id)?;
        Some(self.parked.swap_remove(place))
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
