//! Selection: which pending jobs are dispatched next, and where each goes: to a waiting claim or to the broker.
//!
//! A [`Selection`] reads nothing itself, so that it can be tested without a database. [`Selection::next_read`] names the next read; the
//! caller performs it inside the transaction and passes the result to the method that the [`Read`] names, until nothing is left to read.
//! Invariants:
//!
//! - Jobs of a queue are dispatched by priority, then age, as far as limits and pauses allow. A job that a limit blocks does not block
//!   others.
//! - No destination exceeds its capacity: a claim its `max`, a broker queue its window.
//! - A placed job is written before the next candidates of its queue are read, because the read would return it again.
//! - It terminates: each read of candidates either finds fewer than requested, or fills capacity, or finds a limit that is reached.

mod candidates;
mod look;
mod lost;

use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, Utc};
use domain::{ids::WorkerId, policy::Overlap};
use store::jobs::{FullJob, NewJob};

use self::look::{Labelled, Lost};
pub(crate) use self::look::{Look, Read};
use super::{
    DispatchState, Window,
    admission::Admission,
    claims::{WaitingClaim, WaitingClaims},
    findings::Findings,
};
use crate::catalog::CachedAutomations;

/// The in-memory inputs of dispatch, besides rows and limits.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) state: &'a DispatchState,
    pub(crate) automations: &'a CachedAutomations,
    pub(crate) window: Window,
    /// Whether the broker has this queue, so that messages can be published to it.
    pub(crate) is_ready: &'a (dyn Fn(&str) -> bool + Sync),
    pub(crate) now: DateTime<Utc>,
}

/// A dispatched job and its destination.
pub(crate) struct Placement {
    pub(crate) job: FullJob,
    pub(crate) destination: Destination,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Broker,
    Claim { id: u64, worker_id: WorkerId },
}

/// Selects jobs in one transaction.
pub(crate) struct Selection<'a> {
    view: View<'a>,
    pub(crate) admission: Admission,
    findings: Findings,
    /// Number of messages by queue.
    published: BTreeMap<String, usize>,
    /// Number of jobs by claim.
    assigned: HashMap<u64, usize>,
    tasks: VecDeque<Task>,
}

enum Task {
    FindLost,
    Lost(Lost),
    Queue(String),
    Labelled(Labelled),
    Any(String),
}

impl<'a> Selection<'a> {
    pub(crate) fn new(view: View<'a>) -> Self {
        Self {
            view,
            admission: Admission::default(),
            findings: Findings::default(),
            published: BTreeMap::new(),
            assigned: HashMap::new(),
            tasks: VecDeque::new(),
        }
    }

    /// Marks a queue as having a candidate.
    pub(crate) fn add_candidate(&mut self, queue: &str) {
        if !self.findings.candidate_queues.contains(queue) {
            self.findings.candidate_queues.insert(queue.to_owned());
        }
    }

    /// A job ended: its slot may be taken in this transaction.
    pub(crate) fn place_freed(&mut self) {
        self.findings.candidate_queues.extend(self.view.state.held_back.iter().cloned());
    }

    /// Whether a new job can be published in the transaction that inserts it, because nothing is ahead of it and no limit applies. If so,
    /// takes a slot in the window.
    pub(crate) fn publishes_at_once(&mut self, new: &NewJob) -> bool {
        let View { state, automations, now, .. } = self.view;
        let queue = &new.queue_name;
        let is_behind = self.is_candidate(queue) || state.claims.takes_any(queue);
        let is_limited = automations.is_limited(new.automation_id)
            || new.terms.concurrency_key.is_some()
            || new.terms.max_concurrency.is_some()
            || !new.terms.requires.is_empty()
            || new.overlap != Overlap::Queue;
        let is_paused = || automations.pause_of(new.automation_id, queue, now).is_some();
        let at_once = !is_behind && new.not_before.is_none() && !is_limited && !is_paused() && self.room(queue) > 0;
        if at_once {
            self.count_published(queue);
        }
        at_once
    }

    fn is_candidate(&self, queue: &str) -> bool {
        self.view.state.candidate_queues.contains(queue) || self.findings.candidate_queues.contains(queue)
    }

    fn count_published(&mut self, queue: &str) {
        *self.published.entry(queue.to_owned()).or_default() += 1;
    }

    /// Number of messages that may still be published to `queue`.
    fn room(&self, queue: &str) -> usize {
        let published = self.published.get(queue).copied().unwrap_or(0);
        let room = self.view.state.room(queue, self.view.window).saturating_sub(published);
        if room > 0 && (self.view.is_ready)(queue) { room } else { 0 }
    }

    /// Remaining capacity of a claim.
    fn free_of(&self, id: u64, waiting: &WaitingClaim) -> usize {
        waiting.most().saturating_sub(self.assigned.get(&id).copied().unwrap_or(0))
    }

    fn claims(&self) -> &'a WaitingClaims {
        &self.view.state.claims
    }

    fn queues(&self) -> impl Iterator<Item = &String> {
        self.view.state.candidate_queues.union(&self.findings.candidate_queues)
    }

    /// Whether anything could be dispatched now.
    pub(crate) fn could_dispatch(&self) -> bool {
        let has_takers = |queue: &String| self.claims().has_claims(queue) || self.room(queue) > 0;
        self.claims().has_fresh() || self.queues().any(has_takers)
    }

    /// Starts the selection: first lost assignments, then the queues that may have candidates.
    pub(crate) fn begin(&mut self) {
        let queues: Vec<Task> = self.queues().cloned().map(Task::Queue).collect();
        self.tasks.extend(self.claims().has_fresh().then_some(Task::FindLost));
        self.tasks.extend(queues);
    }

    /// Abandons the selection: its queues are not read again before the next event.
    pub(crate) fn give_up(&mut self) {
        self.findings.exhausted = self.queues().cloned().collect();
    }

    /// The next read; `None`: done.
    pub(crate) fn next_read(&mut self) -> Option<Read> {
        while let Some(task) = self.tasks.pop_front() {
            let read = match task {
                Task::FindLost => self.find_lost(),
                Task::Lost(lost) => Some(Read::Lost(lost)),
                Task::Queue(queue) => self.queue(queue),
                Task::Labelled(labelled) => self.labelled(labelled),
                Task::Any(queue) => self.anybody(queue),
            };
            if read.is_some() {
                return read;
            }
        }
        None
    }

    fn assign(&mut self, claim: u64, jobs: impl IntoIterator<Item = FullJob>) -> Vec<Placement> {
        let Some(waiting) = self.claims().get(claim) else { return Vec::new() };
        let destination = Destination::Claim { id: claim, worker_id: waiting.claim.request.worker_id };
        let placements: Vec<Placement> = jobs.into_iter().map(|job| Placement { job, destination }).collect();
        if !placements.is_empty() {
            *self.assigned.entry(claim).or_default() += placements.len();
        }
        placements
    }

    /// Ends the selection.
    pub(crate) fn finish(self) -> Findings {
        Findings { next_start_at: self.admission.next_start_at(), ..self.findings }
    }
}
