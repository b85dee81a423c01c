use store::{
    Error,
    jobs::{CandidateFilter, FullJob},
};

use super::{
    batch::{Batch, written},
    claims::Taker,
};
use crate::dispatch::{Publication, message};

/// Jobs of a queue that are looked at in one go.
const MOST_CANDIDATES: usize = 256;

impl Batch<'_> {
    /// Whether something might be given out now.
    pub(super) fn could_give_out(&self) -> bool {
        let has_takers = |queue: &String| self.state.claims.has_claims(queue) || self.broker_room(queue) > 0;
        self.state.claims.has_fresh() || self.state.candidate_queues.union(&self.done.waiting).any(has_takers)
    }

    /// Gives waiting jobs to waiting claims and to the broker, as far as there is room and limits allow, by priority, then age.
    pub(super) async fn give_out(&mut self) -> Result<(), Error> {
        self.give_again().await?;
        let queues: Vec<String> = self.state.candidate_queues.union(&self.done.waiting).cloned().collect();
        for queue in queues {
            self.give_out_queue(&queue).await?;
        }
        self.write_given().await?;
        self.done.look_again_at = self.limits.next_at();
        self.limits.write(self.txn).await
    }

    async fn give_out_queue(&mut self, queue: &str) -> Result<(), Error> {
        if self.deps.catalog.queue_pause(queue, self.now).is_some() {
            // Its end, or somebody's word, wakes it.
            self.done.exhausted.push(queue.to_owned());
            return Ok(());
        }
        self.give_out_special(queue).await?;
        loop {
            let takers = self.takers(queue, MOST_CANDIDATES);
            let claimed: usize = takers.iter().map(|(_, free)| free).sum();
            let room = (claimed + self.broker_room(queue)).min(MOST_CANDIDATES);
            if room == 0 {
                return Ok(());
            }
            let (found, chosen) = self.choose(queue, None, room).await?;
            let skipped = found - chosen.len();
            self.place(queue, &takers, chosen).await?;
            if skipped == 0 && found < room {
                self.done.exhausted.push(queue.to_owned());
                self.done.empty.push(queue.to_owned());
                return Ok(());
            }
            // The next look must not find these again.
            self.write_given().await?;
        }
    }

    /// Gives jobs that require labels to claims of workers that have them all.
    async fn give_out_special(&mut self, queue: &str) -> Result<(), Error> {
        if !self.state.claims.has_labelled(queue) {
            return Ok(());
        }
        let mut required = store::jobs::job_list_required_in_txn(self.txn.get().await?, queue).await?;
        let state = self.state;
        for (labels, claims) in state.claims.labelled(queue) {
            for (id, waiting) in claims {
                let sets: Vec<Vec<String>> =
                    required.iter().filter(|set| set.iter().all(|label| labels.contains(label))).cloned().collect();
                if sets.is_empty() {
                    break;
                }
                if self.give_special(queue, (id, self.free_of(id, waiting)), &sets).await? {
                    required.retain(|set| !sets.contains(set));
                }
            }
        }
        Ok(())
    }

    /// Gives jobs that require one of these sets of labels to a claim; `true` when none is left that may start now.
    async fn give_special(&mut self, queue: &str, (claim, free): Taker, sets: &[Vec<String>]) -> Result<bool, Error> {
        let mut free = free.min(MOST_CANDIDATES);
        while free > 0 {
            let (found, chosen) = self.choose(queue, Some(sets), free).await?;
            let (skipped, is_last) = (found - chosen.len(), found < free);
            free -= chosen.len();
            self.give(claim, chosen).await?;
            self.write_given().await?;
            if skipped == 0 {
                return Ok(is_last);
            }
        }
        Ok(false)
    }

    /// The next jobs that may start, after how many were looked at.
    async fn choose(&mut self, queue: &str, requires: Option<&[Vec<String>]>, limit: usize) -> Result<(usize, Vec<FullJob>), Error> {
        let mut except_automations = self.limits.full();
        except_automations.extend(self.deps.catalog.paused_automations(self.now));
        let except_keys = self.limits.full_keys();
        let wanted = CandidateFilter {
            queue,
            now: self.now,
            limit: limit as u64,
            except_automations: &except_automations,
            except_keys: &except_keys,
            requires,
        };
        let mut jobs = store::jobs::job_list_candidates_in_txn(self.txn.get().await?, &wanted).await?;
        let found = jobs.len();
        self.limits.load(self.txn, &self.deps.catalog, jobs.iter().map(|job| &job.row)).await?;
        jobs.retain(|job| self.limits.take(&self.deps.catalog, &job.row, self.now).is_ok());
        if jobs.len() < found {
            self.done.held_back.insert(queue.to_owned());
        }
        Ok((found, jobs))
    }

    /// Gives the first jobs to the claims, the rest to the broker.
    async fn place(&mut self, queue: &str, takers: &[Taker], chosen: Vec<FullJob>) -> Result<(), Error> {
        let mut rest = chosen.into_iter();
        for (claim, free) in takers {
            let mine: Vec<FullJob> = rest.by_ref().take(*free).collect();
            self.give(*claim, mine).await?;
        }
        for job in rest {
            self.hand_to_broker(queue, job).await?;
        }
        Ok(())
    }

    async fn hand_to_broker(&mut self, queue: &str, job: FullJob) -> Result<(), Error> {
        let FullJob { mut row, parameters } = job;
        let Some(entry) = self.deps.catalog.get_stale(row.automation_id).await? else { return Ok(()) };
        let message = message::job_message(&entry.automation, &row, parameters);
        self.done.publications.extend(Publication::new(message));
        *self.done.handed.entry(queue.to_owned()).or_default() += 1;
        row.dispatch_started_at = Some(self.now);
        self.given_rows.push(row);
        Ok(())
    }

    /// Writes what was given out since the last time. The rows are locked.
    async fn write_given(&mut self) -> Result<(), Error> {
        if self.given_rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.given_rows);
        store::jobs::job_update_many_in_txn(self.txn.get().await?, &rows.iter().collect::<Vec<_>>()).await?;
        self.done.written.extend(rows.into_iter().map(written));
        Ok(())
    }
}
