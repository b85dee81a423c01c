//! Lost assignments: the worker of a claim holds jobs without its knowledge, because the answer was lost in transit. They are assigned to
//! its next claim again.

use std::collections::{BTreeMap, HashMap};

use domain::ids::{JobId, WorkerId};
use store::jobs::FullJob;

use super::{
    Placement, Selection, Task,
    look::{Lost, Read},
};
use crate::dispatch::claims::WaitingClaim;

impl Selection<'_> {
    pub(super) fn find_lost(&self) -> Option<Read> {
        let workers: Vec<WorkerId> = self.claims().fresh().map(|(_, waiting)| waiting.claim.request.worker_id).collect();
        (!workers.is_empty()).then_some(Read::Held(workers))
    }

    /// Jobs that workers hold, as (job, worker). A job that its worker does not report as held is assigned to it again.
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
            tracing::info!(claim.id = claim, jobs = jobs.len(), "repeating assignments that were lost in transit");
            self.tasks.push_front(Task::Lost(Lost { claim, jobs }));
        }
    }

    /// Jobs whose assignment was lost.
    pub(crate) fn found_lost(&mut self, lost: &Lost, jobs: Vec<FullJob>) -> Vec<Placement> {
        self.assign(lost.claim, jobs)
    }
}
