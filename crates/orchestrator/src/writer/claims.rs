use std::collections::{HashMap, HashSet};

use api_types::JobAssignment;
use domain::job::Caller;
use store::{
    Error,
    jobs::{FullJob, JobRow},
};
use uuid::Uuid;

use super::{
    batch::{Batch, touched},
    change,
    desk::Parked,
};
use crate::convert;

/// Which jobs a claim may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Those that any worker can run.
    Any,
    /// Those that require labels.
    Special,
}

/// Jobs for one parked claim, by its place among the parked ones.
pub(super) struct Given {
    pub(super) parked: usize,
    pub(super) jobs: Vec<JobAssignment>,
}

impl Batch<'_> {
    /// Parked claims that can still take jobs of `queue`, each with its place and how many. A worker that takes messages claims only jobs
    /// that require labels: these are never sent.
    pub(super) fn takers(&self, queue: &str, kind: Kind) -> Vec<(usize, usize)> {
        let free = |(place, parked): (usize, &Parked)| {
            let claim = &parked.claim.request;
            let wants = !parked.reply.is_closed() && claim.queues.iter().any(|wanted| wanted == queue);
            let takes = self.desk.takes(claim.worker_id, kind);
            let got: usize = self.done.given.iter().filter(|given| given.parked == place).map(|given| given.jobs.len()).sum();
            let free = usize::try_from(claim.max).unwrap_or(usize::MAX).saturating_sub(got);
            (wants && takes && free > 0).then_some((place, free))
        };
        self.desk.parked.iter().enumerate().filter_map(free).collect()
    }

    /// Labels of the worker whose claim is at `place`.
    pub(super) fn labels_of(&self, place: usize) -> Vec<String> {
        let worker = self.desk.parked.get(place).map(|parked| parked.claim.request.worker_id);
        worker.map(|id| self.desk.labels(id).to_vec()).unwrap_or_default()
    }

    /// Gives workers again what was given to them before and got lost on the way: what they hold by our books and not by theirs.
    pub(super) async fn give_again(&mut self) -> Result<(), Error> {
        for (place, parked) in self.desk.parked.iter().enumerate().filter(|(_, parked)| parked.fresh) {
            let request = &parked.claim.request;
            let holding: HashSet<Uuid> = request.holding.iter().copied().collect();
            let txn = self.txn.get().await?;
            let held = store::jobs::job_claimed_by_in_txn(txn, request.worker_id).await?;
            let lost: Vec<Uuid> = held.into_iter().filter(|id| !holding.contains(id)).collect();
            if lost.is_empty() {
                continue;
            }
            tracing::info!(worker.id = %request.worker_id, jobs = lost.len(), "giving a worker again what it did not get");
            let rows = store::jobs::job_load_for_update_in_txn(txn, &lost).await?;
            let mut parameters: HashMap<_, _> = store::jobs::job_payloads(self.txn, &lost).await?.into_iter().collect();
            let whole = |row: JobRow| FullJob { parameters: parameters.remove(&row.job.id).unwrap_or_default(), row };
            let jobs = rows.into_iter().map(whole).collect();
            self.give(place, jobs).await?;
        }
        Ok(())
    }

    /// Starts these jobs for the claim at `place`. They are locked by this transaction.
    pub(super) async fn give(&mut self, place: usize, jobs: Vec<FullJob>) -> Result<(), Error> {
        let Some(parked) = self.desk.parked.get(place) else { return Ok(()) };
        let caller = Caller { worker_id: Some(parked.claim.request.worker_id), lease_token: None };
        let mut given = Vec::new();
        for FullJob { mut row, parameters } in jobs {
            if !self.start_for(&mut row, &caller) {
                continue;
            }
            if let Some(entry) = self.deps.catalog.get_stale(row.automation_id).await? {
                given.extend(convert::assignment(&row, &entry.automation, parameters));
            }
            self.given_rows.push(row);
        }
        if !given.is_empty() {
            self.done.given.push(Given { parked: place, jobs: given });
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
