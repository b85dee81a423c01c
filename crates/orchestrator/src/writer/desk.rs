use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use domain::{
    automation::{EVERY_QUEUE, is_every_queue},
    job::Status,
    worker::State,
};
use store::workers::Worker;
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

use super::{
    Claim, Reply,
    parked::{Ability, ParkedClaims},
};

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
    /// What the workers of each queue take. `None` until it was read for the first time: before, nothing is sent.
    intake: Option<HashMap<String, Intake>>,
    /// Workers that were heard of lately.
    workers: HashMap<Uuid, Known>,
    /// Queues in which a limit holds jobs back: the end of any job may free a place.
    pub(super) held_back: BTreeSet<String>,
    /// When a rate limit admits the next start.
    pub(super) look_again_at: Option<Instant>,
    /// Claims that wait.
    pub(super) parked: ParkedClaims,
    /// When a look at the database last found nothing for claims of a queue.
    empty_at: HashMap<String, Instant>,
}

/// How long a queue in which a look found nothing needs no other look for the sake of a new claim. What this hub accepts meanwhile it knows;
/// what another one accepts, it finds with the next tick.
const EMPTY_FOR: Duration = Duration::from_millis(100);

/// What is known of a worker.
struct Known {
    queues: Vec<String>,
    labels: Vec<String>,
    slots: usize,
    uses_broker: bool,
    paused: bool,
    live: bool,
}

/// What the workers of a queue take from the broker.
#[derive(Default)]
struct Intake {
    /// Workers that take messages, or claim from the queue.
    workers: usize,
    /// Slots of those that take messages. Zero for a queue whose workers only claim, or are paused.
    slots: usize,
}

impl Known {
    fn new(worker: Worker, state: State) -> Self {
        Self {
            queues: worker.queues,
            labels: worker.labels,
            slots: usize::try_from(worker.slots).unwrap_or(0),
            uses_broker: worker.uses_broker,
            paused: worker.life.paused_at.is_some(),
            live: matches!(state, State::Running | State::Paused),
        }
    }

    /// Whether its queues count it. One that claims and is gone still tells that its queues are claimed from: it may be back any moment, and
    /// would never see a message. Not so one that claimed from every queue: it would keep messages from all queues.
    fn counts(&self) -> bool {
        self.live || !(self.uses_broker || is_every_queue(&self.queues))
    }

    /// Whether it takes messages: its slots are counted, and so are the jobs that it holds.
    const fn consumes(&self) -> bool {
        self.live && self.uses_broker && !self.paused
    }

    /// What its claims may have.
    fn ability(&self) -> Ability {
        let takes = self.live && !self.paused;
        Ability { any: takes && !self.uses_broker, labels: if takes { self.labels.clone() } else { Vec::new() } }
    }
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
        if self.intake.is_none() {
            return 0;
        }
        let allowed = match self.intake_of(queue) {
            Some(Intake { slots, .. }) => slots.saturating_sub(self.held.count(queue)) + window.lookahead,
            None => window.unknown,
        };
        allowed.saturating_sub(undelivered)
    }

    /// What the workers of a queue take; where none names it, what those of every queue do.
    fn intake_of(&self, queue: &str) -> Option<&Intake> {
        let intake = self.intake.as_ref()?;
        intake.get(queue).or_else(|| intake.get(EVERY_QUEUE))
    }

    /// What this worker's claims may have. One that is not known registered at another replica just now.
    pub(super) fn ability(&self, worker_id: Uuid) -> Ability {
        self.live(worker_id).map_or(Ability { any: true, labels: Vec::new() }, Known::ability)
    }

    fn live(&self, worker_id: Uuid) -> Option<&Known> {
        self.workers.get(&worker_id).filter(|worker| worker.live)
    }

    /// Lets a claim wait. The database is looked at for its sake, unless a look that found nothing was a moment ago.
    pub(super) fn park(&mut self, claim: Claim, reply: oneshot::Sender<Reply>) {
        let ability = self.ability(claim.request.worker_id);
        let now = Instant::now();
        // Which queues are not empty is known. What another hub accepted, or requires labels, one for every queue finds with the next tick.
        for queue in claim.request.queues.iter().filter(|queue| *queue != EVERY_QUEUE) {
            let is_empty = self.empty_at.get(queue).is_some_and(|at| now.duration_since(*at) < EMPTY_FOR);
            if !is_empty || !ability.labels.is_empty() {
                self.waiting.insert(queue.clone());
            }
        }
        self.parked.insert(claim, reply, ability);
    }

    /// A look at the database found nothing more in these queues.
    pub(super) fn found_empty(&mut self, queues: Vec<String>) {
        let now = Instant::now();
        self.empty_at.retain(|_, at| now.duration_since(*at) < EMPTY_FOR);
        self.empty_at.extend(queues.into_iter().map(|queue| (queue, now)));
    }

    /// Jobs whose messages nobody takes: they were sent before it was known that the live workers of their queue only claim, or are paused.
    pub(super) fn stranded(&self) -> Vec<(Uuid, String)> {
        let untaken = |queue: &String| self.intake_of(queue).is_some_and(|intake| intake.slots == 0);
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

    /// Learns of all workers that were heard of lately.
    pub(super) fn set_workers(&mut self, workers: Vec<Worker>, state: impl Fn(&Worker) -> State) {
        self.workers.clear();
        self.intake = Some(HashMap::new());
        for worker in workers {
            self.set_worker(worker, &state);
        }
        // Those of workers that are forgotten too.
        for worker_id in self.parked.workers() {
            self.parked.set_ability(worker_id, &self.ability(worker_id));
        }
    }

    /// Learns how a worker is now.
    pub(super) fn set_worker(&mut self, worker: Worker, state: impl Fn(&Worker) -> State) {
        let (id, state) = (worker.id, state(&worker));
        let known = Known::new(worker, state);
        if let Some(before) = self.workers.remove(&id) {
            self.count(&before, false);
        }
        self.count(&known, true);
        self.workers.insert(id, known);
        self.parked.set_ability(id, &self.ability(id));
    }

    fn count(&mut self, worker: &Known, comes: bool) {
        let Some(intake) = self.intake.as_mut().filter(|_| worker.counts()) else { return };
        let slots = if worker.consumes() { worker.slots } else { 0 };
        for queue in &worker.queues {
            let of_queue = intake.entry(queue.clone()).or_default();
            if comes {
                of_queue.workers += 1;
                of_queue.slots += slots;
            } else {
                of_queue.workers -= 1;
                of_queue.slots -= slots;
            }
            if of_queue.workers == 0 {
                intake.remove(queue);
            }
        }
    }

    /// The jobs with the broker, and those that workers hold. To be called after [`Desk::set_workers`].
    pub(super) fn set_jobs(&mut self, undelivered: Vec<(Uuid, String)>, held: Vec<(Uuid, String, Option<Uuid>)>) {
        self.undelivered = undelivered.into_iter().collect();
        let takes_slot = |(id, queue, worker_id): (Uuid, String, Option<Uuid>)| self.consumes(worker_id).then_some((id, queue));
        self.held = held.into_iter().filter_map(takes_slot).collect();
    }

    fn consumes(&self, worker_id: Option<Uuid>) -> bool {
        worker_id.and_then(|id| self.workers.get(&id)).is_some_and(Known::consumes)
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
