//! Capacity of the workers: how many messages of each queue they consume, and which jobs their claims may receive.

use std::collections::HashMap;

use domain::{
    automation::{EVERY_QUEUE, is_every_queue},
    ids::WorkerId,
    worker::State,
};
use store::workers::Worker;

use crate::dispatch::claims::Ability;

/// Workers with a recent heartbeat, and their capacity by queue.
#[derive(Default)]
pub(super) struct Intake {
    workers: HashMap<WorkerId, WorkerView>,
    /// `None` until the first read; nothing is published before.
    queues: Option<HashMap<String, OfQueue>>,
}

/// The properties of a worker that dispatch needs.
struct WorkerView {
    queues: Vec<String>,
    labels: Vec<String>,
    slots: usize,
    uses_broker: bool,
    paused: bool,
    live: bool,
}

/// Capacity of a queue's workers.
#[derive(Default)]
struct OfQueue {
    /// Workers that consume from the broker or claim from the queue.
    workers: usize,
    /// Slots of the consuming workers; 0 for a queue whose workers only claim or are paused.
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

    /// Whether its queues count it. A claiming worker that is gone still marks its queues as claimed from: it may return at any moment and
    /// would never see a message. A gone worker that claimed from every queue does not count: it would block messages to all queues.
    fn counts(&self) -> bool {
        self.live || !(self.uses_broker || is_every_queue(&self.queues))
    }

    /// Whether it consumes messages: its slots and its held jobs are then counted.
    const fn consumes(&self) -> bool {
        self.live && self.uses_broker && !self.paused
    }

    /// Which jobs its claims may receive.
    fn ability(&self) -> Ability {
        let takes = self.live && !self.paused;
        Ability { any: takes && !self.uses_broker, labels: if takes { self.labels.clone() } else { Vec::new() } }
    }
}

impl Intake {
    /// Whether the workers were read.
    pub(super) const fn is_read(&self) -> bool {
        self.queues.is_some()
    }

    /// Slots of the workers that consume `queue`; without any, of the workers for every queue. `None` when there are no workers.
    pub(super) fn slots(&self, queue: &str) -> Option<usize> {
        let queues = self.queues.as_ref()?;
        queues.get(queue).or_else(|| queues.get(EVERY_QUEUE)).map(|of_queue| of_queue.slots)
    }

    /// Which jobs this worker's claims may receive. An unknown worker has just registered at another replica.
    pub(super) fn ability(&self, worker_id: WorkerId) -> Ability {
        let live = self.workers.get(&worker_id).filter(|worker| worker.live);
        live.map_or(Ability { any: true, labels: Vec::new() }, WorkerView::ability)
    }

    /// Whether this worker consumes messages.
    pub(super) fn consumes(&self, worker_id: Option<WorkerId>) -> bool {
        worker_id.and_then(|id| self.workers.get(&id)).is_some_and(WorkerView::consumes)
    }

    /// Clears the workers before a refresh.
    pub(super) fn clear(&mut self) {
        self.workers.clear();
        self.queues = Some(HashMap::new());
    }

    /// Replaces one worker.
    pub(super) fn set(&mut self, worker: Worker, state: State) {
        let id = worker.id;
        let known = WorkerView::new(worker, state);
        if let Some(before) = self.workers.remove(&id) {
            self.count(&before, false);
        }
        self.count(&known, true);
        self.workers.insert(id, known);
    }

    fn count(&mut self, worker: &WorkerView, comes: bool) {
        let Some(queues) = self.queues.as_mut().filter(|_| worker.counts()) else { return };
        let slots = if worker.consumes() { worker.slots } else { 0 };
        for queue in &worker.queues {
            let of_queue = queues.entry(queue.clone()).or_default();
            if comes {
                of_queue.workers += 1;
                of_queue.slots += slots;
            } else {
                of_queue.workers -= 1;
                of_queue.slots -= slots;
            }
            if of_queue.workers == 0 {
                queues.remove(queue);
            }
        }
    }
}
