//! What dispatch remembers: which queues may have candidates, where the jobs on their way are, what workers take, and which claims wait.
//!
//! It is a cache of the database and never the truth. It may be wrong about what other replicas do, and is read again every tick. Only the pace
//! of dispatch depends on it: whether a job may start is decided by its row and by places that are counted in the transaction. No method waits
//! or reads a clock.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use domain::{
    automation::{EVERY_QUEUE, is_every_queue},
    ids::{JobId, WorkerId},
    job::Status,
    worker::State,
};
use store::workers::Worker;
use tokio::time::Instant;

use super::{
    claims::{Ability, Claim, ClaimReply, WaitingClaims},
    findings::Findings,
};

/// Where jobs are and who waits for them, as this replica saw it last.
#[derive(Default)]
pub(crate) struct DispatchState {
    /// Queues that may have a job to dispatch.
    pub(crate) candidate_queues: BTreeSet<String>,
    /// Jobs whose message is with the broker, by queue.
    undelivered: Places,
    /// Jobs that take a slot of a worker that consumes messages, by queue.
    held: Places,
    /// What the workers of each queue take. `None` until it is read for the first time: nothing is published before.
    intake: Option<HashMap<String, Intake>>,
    /// Workers that were seen lately.
    workers: HashMap<WorkerId, WorkerView>,
    /// Queues in which a limit holds jobs back. The end of any job may free a place.
    pub(crate) held_back: BTreeSet<String>,
    /// When a rate limit admits the next start.
    pub(crate) next_start_at: Option<Instant>,
    /// Claims that wait.
    pub(crate) claims: WaitingClaims,
    /// When the database was last found to have no candidate for claims of a queue.
    empty_at: HashMap<String, Instant>,
}

/// How long an empty queue is not read again for a new claim. This replica knows what it accepts meanwhile; what another one accepts, it finds
/// with the next tick.
const EMPTY_FOR: Duration = Duration::from_millis(100);

/// What dispatch needs of a worker.
struct WorkerView {
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

impl WorkerView {
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

    /// Whether its queues count it. One that claims and is gone still marks its queues as claimed from: it may be back any moment, and would
    /// never see a message. One that claimed from every queue does not: it would keep messages from all queues.
    fn counts(&self) -> bool {
        self.live || !(self.uses_broker || is_every_queue(&self.queues))
    }

    /// Whether it takes messages: its slots are counted, and so are the jobs that it holds.
    const fn consumes(&self) -> bool {
        self.live && self.uses_broker && !self.paused
    }

    /// Which jobs its claims may take.
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

impl DispatchState {
    /// Messages that may be published to `queue` now.
    pub(crate) fn room(&self, queue: &str, window: Window) -> usize {
        let undelivered = self.undelivered.count(queue);
        if self.intake.is_none() {
            return 0;
        }
        let allowed = match self.intake_of(queue) {
            // Nobody would take a message: its workers only claim, or are paused.
            Some(Intake { slots: 0, .. }) => 0,
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

    /// Which jobs this worker's claims may take. One that is not cached registered at another replica just now.
    pub(crate) fn ability(&self, worker_id: WorkerId) -> Ability {
        self.live(worker_id).map_or(Ability { any: true, labels: Vec::new() }, WorkerView::ability)
    }

    fn live(&self, worker_id: WorkerId) -> Option<&WorkerView> {
        self.workers.get(&worker_id).filter(|worker| worker.live)
    }

    /// Adds a claim that waits. Its queues are read, unless they were found empty a moment ago.
    pub(crate) fn add_claim(&mut self, claim: Claim, reply: ClaimReply, now: Instant) {
        let ability = self.ability(claim.request.worker_id);
        // A claim for every queue needs none of this: queues with candidates are known. What another replica accepted, or what requires
        // labels, it finds with the next tick.
        for queue in claim.request.queues.iter().filter(|queue| *queue != EVERY_QUEUE) {
            let is_empty = self.empty_at.get(queue).is_some_and(|at| now.duration_since(*at) < EMPTY_FOR);
            if !is_empty || !ability.labels.is_empty() {
                self.candidate_queues.insert(queue.clone());
            }
        }
        self.claims.insert(claim, reply, ability, now);
    }

    /// Takes in what a committed selection found out. `next_start` is how long a rate limit keeps jobs back.
    pub(crate) fn found(&mut self, findings: Findings, next_start: Option<Duration>, now: Instant) {
        self.candidate_queues.extend(findings.candidate_queues);
        self.held_back.extend(findings.held_back);
        for queue in &findings.exhausted {
            self.candidate_queues.remove(queue);
        }
        self.empty_at.retain(|_, at| now.duration_since(*at) < EMPTY_FOR);
        self.empty_at.extend(findings.empty.into_iter().map(|queue| (queue, now)));
        self.next_start_at = self.next_start_at.into_iter().chain(next_start.map(|pause| now + pause)).min();
    }

    /// A place may be free: jobs that a limit held back are candidates again.
    pub(crate) fn retry_held_back(&mut self) {
        let held_back = std::mem::take(&mut self.held_back);
        self.candidate_queues.extend(held_back);
    }

    /// Whether a queue with candidates has claims, or room at the broker; `window` is `None` without a broker.
    pub(crate) fn could_dispatch(&self, window: Option<Window>) -> bool {
        let has_room = |queue: &String| window.is_some_and(|window| self.room(queue, window) > 0);
        self.claims.has_fresh() || self.candidate_queues.iter().any(|queue| self.claims.has_claims(queue) || has_room(queue))
    }

    /// Jobs whose messages nobody takes: they were sent before it was known that the live workers of their queue only claim, or are paused.
    pub(crate) fn stranded(&self) -> Vec<(JobId, String)> {
        let untaken = |queue: &String| self.intake_of(queue).is_some_and(|intake| intake.slots == 0);
        self.undelivered.queues.iter().filter(|(_, queue)| untaken(queue)).map(|(id, queue)| (*id, queue.clone())).collect()
    }

    pub(crate) fn dispatched(&mut self, queue: &str, id: JobId) {
        self.undelivered.insert(queue, id);
    }

    pub(crate) fn is_undelivered(&self, id: JobId) -> bool {
        self.undelivered.queues.contains_key(&id)
    }

    pub(crate) fn released(&mut self, queue: &str, id: JobId) {
        self.undelivered.remove(id);
        self.candidate_queues.insert(queue.to_owned());
    }

    /// A job's state was committed.
    pub(crate) fn committed(&mut self, queue: &str, id: JobId, status: Status, worker_id: Option<WorkerId>) {
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
                self.retry_held_back();
            }
        }
    }

    /// Replaces all workers by those that were seen lately.
    pub(crate) fn set_workers(&mut self, workers: Vec<Worker>, state: impl Fn(&Worker) -> State) {
        self.workers.clear();
        self.intake = Some(HashMap::new());
        for worker in workers {
            self.set_worker(worker, &state);
        }
        // Those of workers that are forgotten too.
        for worker_id in self.claims.workers() {
            self.claims.set_ability(worker_id, &self.ability(worker_id));
        }
    }

    /// Replaces one worker.
    pub(crate) fn set_worker(&mut self, worker: Worker, state: impl Fn(&Worker) -> State) {
        let (id, state) = (worker.id, state(&worker));
        let known = WorkerView::new(worker, state);
        if let Some(before) = self.workers.remove(&id) {
            self.count(&before, false);
        }
        self.count(&known, true);
        self.workers.insert(id, known);
        self.claims.set_ability(id, &self.ability(id));
    }

    fn count(&mut self, worker: &WorkerView, comes: bool) {
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

    /// The jobs with the broker, and those that workers hold. To be called after [`DispatchState::set_workers`].
    pub(crate) fn set_jobs(&mut self, undelivered: Vec<(JobId, String)>, held: Vec<(JobId, String, Option<WorkerId>)>) {
        self.undelivered = undelivered.into_iter().collect();
        let takes_slot = |(id, queue, worker_id): (JobId, String, Option<WorkerId>)| self.consumes(worker_id).then_some((id, queue));
        self.held = held.into_iter().filter_map(takes_slot).collect();
    }

    fn consumes(&self, worker_id: Option<WorkerId>) -> bool {
        worker_id.and_then(|id| self.workers.get(&id)).is_some_and(WorkerView::consumes)
    }
}

/// Jobs and the queue each belongs to.
#[derive(Default)]
struct Places {
    queues: HashMap<JobId, String>,
    counts: HashMap<String, usize>,
}

impl Places {
    fn insert(&mut self, queue: &str, id: JobId) {
        if self.queues.insert(id, queue.to_owned()).is_none() {
            *self.counts.entry(queue.to_owned()).or_default() += 1;
        }
    }

    fn remove(&mut self, id: JobId) {
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

impl FromIterator<(JobId, String)> for Places {
    fn from_iter<I: IntoIterator<Item = (JobId, String)>>(jobs: I) -> Self {
        let mut places = Self::default();
        for (id, queue) in jobs {
            places.insert(&queue, id);
        }
        places
    }
}
