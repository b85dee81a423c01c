//! The reads of a plan: only what it needs, with one statement per kind.

use std::collections::HashMap;

use domain::ids::JobId;
use store::{
    Error,
    automations::{automation_lock_limits_in_txn, automation_lock_rates_in_txn},
    jobs,
    jobs::{FullJob, JobRow},
};

use super::Attempt;
use crate::{
    dispatch::{
        Counted, Uncounted,
        select::{Look, Read},
    },
    writer::plan::Plan,
};

/// Maximum number of related jobs that the overlap rule considers.
const MOST_BESIDE: u64 = 1000;

impl Attempt<'_> {
    /// Reads what the commands need.
    pub(super) async fn read(&mut self, plan: &mut Plan<'_>) -> Result<(), Error> {
        let unknown = plan.take_cached();
        if !unknown.is_empty() {
            plan.add_rows(self.rows(&unknown).await?);
        }
        for holder in plan.holders() {
            if let Some(worker) = self.deps.roster.find(holder).await? {
                plan.add_holder(holder, worker);
            }
        }
        for automation in plan.policies() {
            self.deps.catalog.ensure_cached(automation).await?;
        }
        let keys = plan.keys();
        if !keys.is_empty() {
            plan.add_accepted(jobs::job_find_idempotent_unscoped(self.txn, &keys).await?);
        }
        let counted = self.count(plan.uncounted_starts()).await?;
        plan.selection.admission.count(counted);
        self.read_neighbors(plan).await
    }

    async fn rows(&self, ids: &[JobId]) -> Result<Vec<JobRow>, Error> {
        match self.locks_rows {
            true => jobs::job_load_for_update_in_txn(self.txn.get().await?, ids).await,
            false => jobs::job_load(self.txn, ids).await,
        }
    }

    async fn read_neighbors(&mut self, plan: &mut Plan<'_>) -> Result<(), Error> {
        for (nth, place) in plan.neighborhoods().into_iter().enumerate() {
            let txn = self.txn.get().await?;
            if nth == 0 {
                // Prevents concurrent transactions from inserting related jobs.
                jobs::job_lock_admission_in_txn(txn).await?;
            }
            let rows = jobs::job_list_active_in_txn(txn, place.automation_id, place.queue, place.key, MOST_BESIDE).await?;
            plan.add_neighbors(rows);
        }
        Ok(())
    }

    /// Counts slots, under a lock that all replicas share.
    async fn count(&mut self, uncounted: Uncounted) -> Result<Counted, Error> {
        if uncounted.is_empty() {
            return Ok(Counted::default());
        }
        let Uncounted { automations, keys, schedules, rates } = uncounted;
        let txn = self.txn.get().await?;
        if !std::mem::replace(&mut self.counts, true) {
            jobs::job_lock_admission_in_txn(txn).await?;
        }
        let mut counted = Counted::default();
        if !automations.is_empty() {
            let active = jobs::job_count_active_in_txn(txn, &automations).await?;
            for (id, limit) in automation_lock_limits_in_txn(txn, &automations).await? {
                let used = active.iter().filter(|(counted, _)| *counted == id).map(|(_, jobs)| jobs).sum();
                counted.automations.push((id, limit, used));
            }
        }
        if !keys.is_empty() {
            let used = jobs::job_count_active_by_key_in_txn(txn, &keys).await?;
            counted.keys = keys.into_iter().map(|key| (key, 0)).chain(used).collect();
        }
        if !schedules.is_empty() {
            let (ids, automations): (Vec<_>, Vec<_>) = schedules.into_iter().unzip();
            let used = jobs::job_count_active_by_schedule_in_txn(txn, &automations, &ids).await?;
            // Held and dispatched jobs are counted apart.
            let sum = |id| used.iter().filter(|(counted, _)| *counted == id).map(|(_, jobs)| jobs).sum();
            counted.schedules = ids.iter().map(|id| (*id, sum(*id))).collect();
        }
        if !rates.is_empty() {
            counted.rates = automation_lock_rates_in_txn(txn, &rates).await?;
        }
        Ok(counted)
    }

    /// Reads the parameters of jobs to retry.
    pub(super) async fn read_parameters(&self, plan: &mut Plan<'_>) -> Result<(), Error> {
        if !plan.retried().is_empty() {
            let parameters = jobs::job_payloads(self.txn, plan.retried()).await?;
            plan.add_parameters(parameters);
        }
        Ok(())
    }

    /// Dispatches jobs until nothing is left to read, and writes them.
    pub(super) async fn dispatch(&mut self, plan: &mut Plan<'_>) -> Result<(), Error> {
        while let Some(read) = plan.selection.next_read() {
            match read {
                Read::Held(workers) => {
                    let held = jobs::job_list_held_by_unscoped(self.txn, &workers).await?;
                    plan.selection.found_held(held);
                }
                Read::Lost(lost) => {
                    let jobs = self.lost(&lost.jobs).await?;
                    let placements = plan.selection.found_lost(&lost, jobs);
                    plan.place(placements);
                }
                Read::Labels(queue) => {
                    let required = jobs::job_list_required_in_txn(self.txn.get().await?, &queue).await?;
                    plan.selection.found_labels(queue, required);
                }
                Read::Candidates(look) => self.dispatch_candidates(plan, look).await?,
            }
        }
        self.write_placed(plan).await?;
        self.write_rates(plan).await
    }

    async fn lost(&self, ids: &[JobId]) -> Result<Vec<FullJob>, Error> {
        let rows = jobs::job_load_for_update_in_txn(self.txn.get().await?, ids).await?;
        let mut parameters: HashMap<_, _> = jobs::job_payloads(self.txn, ids).await?.into_iter().collect();
        let whole = |row: JobRow| FullJob { parameters: parameters.remove(&row.job.id).unwrap_or_default(), row };
        let jobs: Vec<FullJob> = rows.into_iter().map(whole).collect();
        self.cache_automations(&jobs).await?;
        Ok(jobs)
    }

    async fn dispatch_candidates(&mut self, plan: &mut Plan<'_>, look: Look) -> Result<(), Error> {
        if plan.rows.has_placed(&look.queue) {
            // Otherwise this read would find them again.
            self.write_placed(plan).await?;
        }
        let jobs = jobs::job_list_candidates_in_txn(self.txn.get().await?, &plan.candidates(&look)).await?;
        self.cache_automations(&jobs).await?;
        let counted = self.count(plan.uncounted(&jobs)).await?;
        plan.selection.admission.count(counted);
        let placements = plan.selection.found_candidates(look, jobs);
        plan.place(placements);
        Ok(())
    }

    async fn cache_automations(&self, jobs: &[FullJob]) -> Result<(), Error> {
        for job in jobs {
            self.deps.catalog.ensure_cached(job.row.automation_id).await?;
        }
        Ok(())
    }
}
