//! The candidates of a queue: how many are read, and the destination of each. Claims of workers with labels come first, because only they
//! can run jobs that require labels; then the other claims; then the broker.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use store::jobs::FullJob;

use super::{
    Destination, Placement, Selection, Task, View,
    look::{Labelled, Look, Read, Target},
};
use crate::catalog::CachedAutomations;

/// Maximum number of candidates per read.
const MOST_CANDIDATES: usize = 256;

impl Selection<'_> {
    pub(super) fn queue(&mut self, queue: String) -> Option<Read> {
        if self.view.automations.queue_pause(&queue, self.view.now).is_some() {
            // The end of the pause makes it a candidate again.
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

    /// The first claim with capacity whose worker has all labels of some job.
    pub(super) fn labelled(&mut self, rest: Labelled) -> Option<Read> {
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

    /// The claims for jobs without required labels, and the broker.
    pub(super) fn anybody(&mut self, queue: String) -> Option<Read> {
        let takers = self.takers(&queue);
        let room = takers.iter().map(|(_, free)| free).sum::<usize>() + self.room(&queue);
        (room > 0).then(|| self.look(queue, room, Target::Anybody(takers)))
    }

    /// The oldest claims for jobs of `queue`, as many as one read can serve.
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
        let except_schedules = self.admission.full_schedules();
        let limit = room.min(MOST_CANDIDATES);
        Read::Candidates(Look { queue, limit, except_automations, except_keys, except_schedules, target })
    }

    /// Candidates, in order of dispatch. Their limits must be counted.
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

    /// Assigns the first jobs to the claims and publishes the others.
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
}
