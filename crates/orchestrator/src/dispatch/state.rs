//! Dispatch state: queues that may have candidates, dispatched and held jobs, the capacity of workers, and waiting claims.
//!
//! It is a cache of the database, never the truth: it may be wrong about other replicas and is refreshed every tick. Only the pace of
//! dispatch depends on it. Whether a job may start is decided by its row and by slots that are counted in the transaction. No method blocks
//! or reads a clock.

mod intake;
mod places;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use domain::{
    automation::EVERY_QUEUE,
    ids::{JobId, WorkerId},
    job::Status,
    worker::State,
};
use store::workers::Worker;
use tokio::time::Instant;

use self::{intake::Intake, places::Places};
use super::{
    claims::{Claim, ClaimReply, WaitingClaims},
    findings::Findings,
};

/// Dispatched and held jobs, workers and claims, as this replica saw them last.
#[derive(Default)]
pub(crate) struct DispatchState {
    /// Queues that may have a job to dispatch.
    pub(crate) candidate_queues: BTreeSet<String>,
    /// Jobs whose message is at the broker, by queue.
    undelivered: Places,
    /// Jobs that use a slot of a worker that consumes from the broker, by queue.
    held: Places,
    /// Capacity of the workers with a recent heartbeat.
    intake: Intake,
    /// Queues with jobs that a limit blocks. The end of any job may free a slot.
    pub(crate) held_back: BTreeSet<String>,
    /// When a rate limit admits the next start.
    pub(crate) next_start_at: Option<Instant>,
    /// Waiting claims.
    pub(crate) claims: WaitingClaims,
    /// When a queue was last found to have no candidate for claims.
    empty_at: HashMap<String, Instant>,
}

/// Time for which an empty queue is not read again for a new claim. Jobs that this replica accepts are known; those of other replicas are
/// found with the next tick.
const EMPTY_FOR: Duration = Duration::from_millis(100);

/// Limit of undelivered messages in a broker queue.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) unknown: usize,
    pub(crate) lookahead: usize,
}

impl DispatchState {
    /// Messages that may be published to `queue` now.
    pub(crate) fn room(&self, queue: &str, window: Window) -> usize {
        let undelivered = self.undelivered.count(queue);
        if !self.intake.is_read() {
            return 0;
        }
        let allowed = match self.intake.slots(queue) {
            // No worker would consume a message: they only claim, or are paused.
            Some(0) => 0,
            Some(slots) => slots.saturating_sub(self.held.count(queue)) + window.lookahead,
            None => window.unknown,
        };
        allowed.saturating_sub(undelivered)
    }

    /// Adds a waiting claim and marks its queues as having candidates, unless they were found empty a moment ago.
    pub(crate) fn add_claim(&mut self, claim: Claim, reply: ClaimReply, now: Instant) {
        let ability = self.intake.ability(claim.request.worker_id);
        // A claim for every queue does not need this: queues with candidates are known. Jobs of other replicas or with labels are found
        // with the next tick.
        for queue in claim.request.queues.iter().filter(|queue| *queue != EVERY_QUEUE) {
            let is_empty = self.empty_at.get(queue).is_some_and(|at| now.duration_since(*at) < EMPTY_FOR);
            if !is_empty || !ability.labels.is_empty() {
                self.candidate_queues.insert(queue.clone());
            }
        }
        self.claims.insert(claim, reply, ability, now);
    }

    /// Applies the findings of a committed selection. `next_start` is the time until a rate limit admits the next start.
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

    /// A slot may be free: jobs that a limit blocked are candidates again.
    pub(crate) fn retry_held_back(&mut self) {
        let held_back = std::mem::take(&mut self.held_back);
        self.candidate_queues.extend(held_back);
    }

    /// Whether a queue with candidates has claims, or room in its window at the broker; `window` is `None` without a broker.
    pub(crate) fn could_dispatch(&self, window: Option<Window>) -> bool {
        let has_room = |queue: &String| window.is_some_and(|window| self.room(queue, window) > 0);
        self.claims.has_fresh() || self.candidate_queues.iter().any(|queue| self.claims.has_claims(queue) || has_room(queue))
    }

    /// Dispatched jobs whose messages no worker consumes, because the live workers of their queue only claim or are paused.
    pub(crate) fn stranded(&self) -> Vec<(JobId, String)> {
        let untaken = |queue: &String| self.intake.slots(queue) == Some(0);
        self.undelivered.iter().filter(|(_, queue)| untaken(queue)).map(|(id, queue)| (*id, queue.clone())).collect()
    }

    pub(crate) fn dispatched(&mut self, queue: &str, id: JobId) {
        self.undelivered.insert(queue, id);
    }

    pub(crate) fn is_undelivered(&self, id: JobId) -> bool {
        self.undelivered.contains(id)
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
                if self.intake.consumes(worker_id) {
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

    /// Replaces all workers by those with a recent heartbeat.
    pub(crate) fn set_workers(&mut self, workers: Vec<Worker>, state: impl Fn(&Worker) -> State) {
        self.intake.clear();
        for worker in workers {
            self.set_worker(worker, &state);
        }
        // Includes claims of workers that are no longer cached.
        for worker_id in self.claims.workers() {
            self.claims.set_ability(worker_id, &self.intake.ability(worker_id));
        }
    }

    /// Replaces one worker.
    pub(crate) fn set_worker(&mut self, worker: Worker, state: impl Fn(&Worker) -> State) {
        let (id, state) = (worker.id, state(&worker));
        self.intake.set(worker, state);
        self.claims.set_ability(id, &self.intake.ability(id));
    }

    /// Replaces the dispatched and held jobs. Call it after [`DispatchState::set_workers`].
    pub(crate) fn set_jobs(&mut self, undelivered: Vec<(JobId, String)>, held: Vec<(JobId, String, Option<WorkerId>)>) {
        self.undelivered = undelivered.into_iter().collect();
        let takes_slot = |(id, queue, worker_id): (JobId, String, Option<WorkerId>)| self.intake.consumes(worker_id).then_some((id, queue));
        self.held = held.into_iter().filter_map(takes_slot).collect();
    }
}
