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
    parked::Parked,
};
use crate::dispatch::message;

/// A parked claim that can still take jobs: its id, and how many.
pub(super) type Taker = (u64, usize);

impl Batch<'_> {
    /// The first parked claims that can take jobs of `queue` that any worker can run, as many as `most` jobs need.
    pub(super) fn takers(&self, queue: &str, most: usize) -> Vec<Taker> {
        let mut room = 0;
        let mut takers = Vec::new();
        for (id, parked) in self.desk.parked.any(queue) {
            if room >= most {
                break;
            }
            let free = self.free_of(id, parked);
            if free > 0 {
                room += free;
                takers.push((id, free));
            }
        }
        takers
    }

    /// How many jobs a claim can still take.
    pub(super) fn free_of(&self, id: u64, parked: &Parked) -> usize {
        if parked.reply.is_closed() {
            return 0;
        }
        let got = self.done.given.get(&id).map_or(0, Vec::len);
        usize::try_from(parked.claim.request.max).unwrap_or(usize::MAX).saturating_sub(got)
    }

    /// Gives workers again what was given to them before and got lost on the way: what they hold by our books and not by theirs.
    pub(super) async fn give_again(&mut self) -> Result<(), Error> {
        let fresh: HashMap<Uuid, u64> = self.desk.parked.fresh().map(|(id, parked)| (parked.claim.request.worker_id, id)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let workers: Vec<Uuid> = fresh.keys().copied().collect();
        let mut lost: HashMap<u64, Vec<Uuid>> = HashMap::new();
        for (job_id, worker_id) in store::jobs::job_list_held_by(self.txn, &workers).await? {
            let Some((id, parked)) = fresh.get(&worker_id).and_then(|id| Some((*id, self.desk.parked.get(*id)?))) else { continue };
            if !parked.claim.request.holding.contains(&job_id) {
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
        let Some(parked) = self.desk.parked.get(claim) else { return Ok(()) };
        let caller = Caller { worker_id: Some(parked.claim.request.worker_id), lease_token: None };
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
