//! Which waiting jobs are dispatched next, and where each goes: to a claim that waits, or to the broker.
//!
//! A [`Selection`] reads nothing itself. [`Selection::next_read`] says what it has to know, whoever drives it reads that inside the transaction
//! and hands it back to the method that the [`Read`] names, until nothing is left to read. What must hold:
//!
//! - Jobs of a queue go out by priority, then age, as far as limits and pauses allow. A job that a limit holds back does not block those behind it.
//! - Nobody gets more than they have room for: a claim its `max`, a broker queue its window.
//! - A job that was placed is written before the next candidates of its queue are read, or they would be the same ones again.
//! - It ends: each read of candidates either finds fewer than it asked for, or fills room, or learns of a limit that is full.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, JobId, WorkerId},
    policy::Overlap,
};
use store::jobs::{CandidateFilter, FullJob, NewJob};

use super::{
    DispatchState, Window,
    admission::Admission,
    claims::{WaitingClaim, WaitingClaims},
    findings::Findings,
    overlap,
};
use crate::catalog::CachedAutomations;

/// Candidates that are read at once.
const MOST_CANDIDATES: usize = 256;

/// What dispatch decides by, beside rows and limits. All of it answers from memory.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) state: &'a DispatchState,
    pub(crate) automations: &'a CachedAutomations,
    pub(crate) window: Window,
    /// Whether the broker has this queue, so that messages can be published to it.
    pub(crate) is_ready: &'a (dyn Fn(&str) -> bool + Sync),
    pub(crate) now: DateTime<Utc>,
}

/// What a selection has to know next.
#[derive(Debug)]
pub(crate) enum Read {
    /// The jobs that these workers hold, for [`Selection::found_held`].
    Held(Vec<WorkerId>),
    /// These jobs, locked, for [`Selection::found_lost`].
    Lost(Lost),
    /// The sets of labels that waiting jobs of this queue require, for [`Selection::found_labels`].
    Labels(String),
    /// Waiting jobs, locked, for [`Selection::found_candidates`].
    Candidates(Look),
}

/// Jobs that a claim's worker holds and does not know of: their assignment got lost on the way.
#[derive(Debug)]
pub(crate) struct Lost {
    claim: u64,
    pub(crate) jobs: Vec<JobId>,
}

/// A look at the candidates of a queue.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) queue: String,
    limit: usize,
    except_automations: Vec<AutomationId>,
    except_keys: Vec<String>,
    target: Target,
}

/// Whom the candidates are for.
#[derive(Debug)]
enum Target {
    /// These claims, which take so many each, then the broker. Jobs that any worker can run.
    Anybody(Vec<(u64, usize)>),
    /// A claim of a worker with labels. Jobs that require one of these sets.
    Labelled { claim: u64, sets: Vec<Vec<String>>, rest: Labelled },
}

/// Jobs of a queue that require labels.
#[derive(Debug)]
struct Labelled {
    queue: String,
    /// The sets of labels that jobs require which may still start.
    required: Vec<Vec<String>>,
    /// Claims that have got what there is for them.
    served: BTreeSet<u64>,
}

impl Look {
    /// The candidates that it asks for.
    pub(crate) fn candidates(&self, now: DateTime<Utc>) -> CandidateFilter<'_> {
        CandidateFilter {
            queue: &self.queue,
            now,
            limit: self.limit as u64,
            except_automations: &self.except_automations,
            except_keys: &self.except_keys,
            requires: match &self.target {
                Target::Anybody(_) => None,
                Target::Labelled { sets, .. } => Some(sets),
            },
        }
    }
}

/// A job that is dispatched, and where it goes.
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
    /// Messages for each queue.
    published: BTreeMap<String, usize>,
    /// Jobs for each claim.
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

    /// A job waits in this queue now.
    pub(crate) fn add_candidate(&mut self, queue: &str) {
        if !self.findings.candidate_queues.contains(queue) {
            self.findings.candidate_queues.insert(queue.to_owned());
        }
    }

    /// A job ended: the place that it leaves may be taken in this transaction.
    pub(crate) fn place_freed(&mut self) {
        self.findings.candidate_queues.extend(self.view.state.held_back.iter().cloned());
    }

    /// Whether a new job can be published in the transaction that adds it: nothing is before it and no limit applies. If so, its place in the
    /// window is taken.
    pub(crate) fn publishes_at_once(&mut self, new: &NewJob) -> bool {
        let View { state, automations, now, .. } = self.view;
        let queue = &new.queue_name;
        let is_behind = self.is_candidate(queue) || state.claims.takes_any(queue);
        let is_limited = automations.is_limited(new.automation_id)
            || new.terms.concurrency_key.is_some()
            || !new.terms.requires.is_empty()
            || overlap::rule(automations, new) != Overlap::Queue;
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

    /// Messages that may still be published to `queue`.
    fn room(&self, queue: &str) -> usize {
        let published = self.published.get(queue).copied().unwrap_or(0);
        let room = self.view.state.room(queue, self.view.window).saturating_sub(published);
        if room > 0 && (self.view.is_ready)(queue) { room } else { 0 }
    }

    /// How many jobs a claim still takes.
    fn free_of(&self, id: u64, waiting: &WaitingClaim) -> usize {
        waiting.most().saturating_sub(self.assigned.get(&id).copied().unwrap_or(0))
    }

    fn claims(&self) -> &'a WaitingClaims {
        &self.view.state.claims
    }

    fn queues(&self) -> impl Iterator<Item = &String> {
        self.view.state.candidate_queues.union(&self.findings.candidate_queues)
    }

    /// Whether something might be dispatched now.
    pub(crate) fn could_dispatch(&self) -> bool {
        let has_takers = |queue: &String| self.claims().has_claims(queue) || self.room(queue) > 0;
        self.claims().has_fresh() || self.queues().any(has_takers)
    }

    /// Begins to select: first what claims lost, then the queues that may have candidates.
    pub(crate) fn begin(&mut self) {
        let queues: Vec<Task> = self.queues().cloned().map(Task::Queue).collect();
        self.tasks.extend(self.claims().has_fresh().then_some(Task::FindLost));
        self.tasks.extend(queues);
    }

    /// Gives up on selecting: these queues are not looked at again before something happens.
    pub(crate) fn give_up(&mut self) {
        self.findings.exhausted = self.queues().cloned().collect();
    }

    /// What must be read next.
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

    fn find_lost(&self) -> Option<Read> {
        let workers: Vec<WorkerId> = self.claims().fresh().map(|(_, waiting)| waiting.claim.request.worker_id).collect();
        (!workers.is_empty()).then_some(Read::Held(workers))
    }

    /// Jobs that workers hold, as (job, worker). What a worker does not hold by its own account is assigned to it again.
    pub(crate) fn found_held(&mut self, held: Vec<(JobId, WorkerId)>) {
        let fresh: HashMap<WorkerId, (u64, &WaitingClaim)> =
            self.claims().fresh().map(|(id, waiting)| (waiting.claim.request.worker_id, (id, waiting))).collect();
        let mut lost: BTreeMap<u64, Vec<JobId>> = BTreeMap::new();
        for (job_id, worker_id) in held {
            if let Some((id, waiting)) = fresh.get(&worker_id)
                && !waiting.claim.request.holding.contains(&job_id)
            {
                lost.entry(*id).or_default().push(job_id);
            }
        }
        for (claim, jobs) in lost {
            tracing::info!(claim.id = claim, jobs = jobs.len(), "assigning a worker again what it did not get");
            self.tasks.push_front(Task::Lost(Lost { claim, jobs }));
        }
    }

    /// Jobs whose assignment got lost.
    pub(crate) fn found_lost(&mut self, lost: &Lost, jobs: Vec<FullJob>) -> Vec<Placement> {
        self.assign(lost.claim, jobs)
    }

    fn queue(&mut self, queue: String) -> Option<Read> {
        if self.view.automations.queue_pause(&queue, self.view.now).is_some() {
            // Its end, or somebody who resumes it, makes it a candidate again.
            self.findings.exhausted.push(queue);
            return None;
        }
        let labels = self.claims().has_labelled(&queue).then(|| Read::Labels(queue.clone()));
        self.tasks.push_front(Task::Any(queue));
        labels
    }

    /// The sets of labels that jobs of `queue` require.
    pub(crate) fn found_labels(&mut self, queue: String, required: Vec<Vec<String>>) {
        self.tasks.push_front(Task::Labelled(Labelled { queue, required, served: BTreeSet::new() }));
    }

    /// The first claim of a worker that has all labels of some job, and has room.
    fn labelled(&mut self, rest: Labelled) -> Option<Read> {
        let mut found = None;
        for (labels, claims) in self.claims().labelled(&rest.queue) {
            let fits = |set: &&Vec<String>| set.iter().all(|label| labels.contains(label));
            let sets: Vec<Vec<String>> = rest.required.iter().filter(fits).cloned().collect();
            if sets.is_empty() {
                continue;
            }
            let mut free = claims.map(|(id, waiting)| (id, self.free_of(id, waiting)));
            if let Some((claim, free)) = free.find(|(id, free)| *free > 0 && !rest.served.contains(id)) {
                found = Some((claim, free, sets));
                break;
            }
        }
        let (claim, free, sets) = found?;
        Some(self.look(rest.queue.clone(), free, Target::Labelled { claim, sets, rest }))
    }

    /// The claims that take what any worker can run, and the broker.
    fn anybody(&mut self, queue: String) -> Option<Read> {
        let takers = self.takers(&queue);
        let room = takers.iter().map(|(_, free)| free).sum::<usize>() + self.room(&queue);
        (room > 0).then(|| self.look(queue, room, Target::Anybody(takers)))
    }

    /// The oldest claims that take jobs of `queue`, as many as a look can serve.
    fn takers(&self, queue: &str) -> Vec<(u64, usize)> {
        let mut room = 0;
        let mut takers = Vec::new();
        for (id, waiting) in self.claims().any(queue) {
            if room >= MOST_CANDIDATES {
                break;
            }
            let free = self.free_of(id, waiting);
            if free > 0 {
                room += free;
                takers.push((id, free));
            }
        }
        takers
    }

    fn look(&self, queue: String, room: usize, target: Target) -> Read {
        let mut except_automations = self.admission.full();
        except_automations.extend(self.view.automations.paused_automations(self.view.now));
        let except_keys = self.admission.full_keys();
        Read::Candidates(Look { queue, limit: room.min(MOST_CANDIDATES), except_automations, except_keys, target })
    }

    /// Candidates, in their order. Their limits must be counted.
    pub(crate) fn found_candidates(&mut self, look: Look, mut jobs: Vec<FullJob>) -> Vec<Placement> {
        let View { automations, now, .. } = self.view;
        let found = jobs.len();
        jobs.retain(|job| self.may_start(automations, job, now));
        let is_held_back = jobs.len() < found;
        if is_held_back {
            self.findings.held_back.insert(look.queue.clone());
        }
        let is_last = found < look.limit;
        match look.target {
            Target::Anybody(takers) => {
                let placements = self.place(&look.queue, &takers, jobs);
                if is_last && !is_held_back {
                    self.findings.exhausted.push(look.queue.clone());
                    self.findings.empty.push(look.queue);
                } else {
                    self.tasks.push_front(Task::Any(look.queue));
                }
                placements
            }
            Target::Labelled { claim, sets, mut rest } => {
                if !is_held_back {
                    rest.served.insert(claim);
                    if is_last {
                        rest.required.retain(|set| !sets.contains(set));
                    }
                }
                self.tasks.push_front(Task::Labelled(rest));
                self.assign(claim, jobs)
            }
        }
    }

    fn may_start(&mut self, automations: &CachedAutomations, job: &FullJob, now: DateTime<Utc>) -> bool {
        if automations.get(job.row.automation_id).is_none() {
            self.admission.exclude(job.row.automation_id);
            return false;
        }
        self.admission.admit(automations, &job.row, now).is_ok()
    }

    /// The first jobs go to the claims, the others to the broker.
    fn place(&mut self, queue: &str, takers: &[(u64, usize)], jobs: Vec<FullJob>) -> Vec<Placement> {
        let mut placements = Vec::with_capacity(jobs.len());
        let mut rest = jobs.into_iter();
        for (claim, free) in takers {
            placements.extend(self.assign(*claim, rest.by_ref().take(*free)));
        }
        for job in rest {
            self.count_published(queue);
            placements.push(Placement { job, destination: Destination::Broker });
        }
        placements
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

    /// Ends it.
    pub(crate) fn finish(self) -> Findings {
        Findings { next_start_at: self.admission.next_start_at(), ..self.findings }
    }
}
