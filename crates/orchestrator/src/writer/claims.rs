use std::collections::HashMap;

use domain::job::Caller;
use store::{
    Error,
    jobs::{FullJob, JobRow},
};
use uuid::Uuid;

use super::{
    batch::{Batch, touched},
    change,
};
use crate::dispatch::{WaitingClaim, message};

/// A waiting claim that can still take jobs: its id, and how many.
pub(super) type Taker = (u64, usize);

impl Batch<'_> {
    /// The first waiting claims that can take jobs of `queue` that any worker can run, as many as `most` jobs need.
    pub(super) fn takers(&self, queue: &str, most: usize) -> Vec<Taker> {
        let mut room = 0;
        let mut takers = Vec::new();
        for (id, waiting) in self.state.claims.any(queue) {
            if room >= most {
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

    /// How many jobs a claim can still take.
    pub(super) fn free_of(&self, id: u64, waiting: &WaitingClaim) -> usize {
        let got = self.done.given.get(&id).map_or(0, Vec::len);
        waiting.most().saturating_sub(got)
    }

    /// Gives workers again what was given to them before and got lost on the way: what they hold by our books and not by theirs.
    pub(super) async fn give_again(&mut self) -> Result<(), Error> {
        let fresh: HashMap<Uuid, u64> = self.state.claims.fresh().map(|(id, waiting)| (waiting.claim.request.worker_id, id)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let workers: Vec<Uuid> = fresh.keys().copied().collect();
        let mut lost: HashMap<u64, Vec<Uuid>> = HashMap::new();
        for (job_id, worker_id) in store::jobs::job_list_held_by_unscoped(self.txn, &workers).await? {
            let Some((id, waiting)) = fresh.get(&worker_id).and_then(|id| Some((*id, self.state.claims.get(*id)?))) else { continue };
            if !waiting.claim.request.holding.contains(&job_id) {
                lost.entry(id).or_default().push(job_id);
            }
        }
        for (id, lost) in lost {
            self.give_lost(id, &lost).await?;
        }
        Ok(())
    }

    async fn give_lost(&mut self, claim: u64, lost: &[Uuid]) -> Result<(), Error> {
        tracing::info!(claim.id = claim, jobs = lost.len(), "giving a worker again what it did not get");
        let rows = store::jobs::job_load_for_update_in_txn(self.txn.get().await?, lost).await?;
        let mut parameters: HashMap<_, _> = store::jobs::job_payloads(self.txn, lost).await?.into_iter().collect();
        let whole = |row: JobRow| FullJob { parameters: parameters.remove(&row.job.id).unwrap_or_default(), row };
        let jobs = rows.into_iter().map(whole).collect();
        self.give(claim, jobs).await
    }

    /// Starts these jobs for a claim. They are locked by this transaction.
    pub(super) async fn give(&mut self, claim: u64, jobs: Vec<FullJob>) -> Result<(), Error> {
        let Some(waiting) = self.state.claims.get(claim) else { return Ok(()) };
        let caller = Caller { worker_id: Some(waiting.claim.request.worker_id), lease_token: None };
        let mut given = Vec::new();
        for FullJob { mut row, parameters } in jobs {
            if !self.start_for(&mut row, &caller) {
                continue;
            }
            if let Some(entry) = self.deps.catalog.get_stale(row.automation_id).await? {
                given.extend(message::assignment(&row, &entry.automation, parameters));
            }
            self.given_rows.push(row);
        }
        if !given.is_empty() {
            self.done.given.entry(claim).or_default().extend(given);
        }
        Ok(())
    }

    fn start_for(&mut self, row: &mut JobRow, caller: &Caller) -> bool {
        let before = row.job.status;
        let terms = self.terms(row);
        if change::start(row, caller, terms).is_err() {
            return false;
        }
        self.done.touched.push(touched(row, before));
        true
    }
}
