use store::{Error, jobs::FullJob};

use super::batch::{Batch, written};
use crate::{convert, publisher::Publication};

/// Jobs of a queue that are looked at in one go.
const MOST_CANDIDATES: usize = 256;

impl Batch<'_> {
    /// Whether something might be given out now.
    pub(super) fn could_give_out(&self) -> bool {
        let has_takers = |queue: &String| self.desk.is_claimed(queue) || self.broker_room(queue) > 0;
        self.desk.parked.iter().any(|parked| parked.fresh) || self.desk.waiting.union(&self.done.waiting).any(has_takers)
    }

    /// Gives waiting jobs to parked claims and to the broker, as far as there is room and limits allow, by priority, then age.
    pub(super) async fn give_out(&mut self) -> Result<(), Error> {
        self.give_again().await?;
        let queues: Vec<String> = self.desk.waiting.union(&self.done.waiting).cloned().collect();
        for queue in queues {
            self.give_out_queue(&queue).await?;
        }
        self.write_given().await
    }

    async fn give_out_queue(&mut self, queue: &str) -> Result<(), Error> {
        loop {
            let takers = self.takers(queue);
            let claimed: usize = takers.iter().map(|(_, free)| free).sum();
            let room = (claimed + self.broker_room(queue)).min(MOST_CANDIDATES);
            if room == 0 {
                return Ok(());
            }
            let txn = self.txn.get().await?;
            let candidates = store::jobs::job_list_candidates_in_txn(txn, queue, &self.limits.full(), self.now, room as u64).await?;
            let found = candidates.len();
            let chosen = self.within_limits(candidates).await?;
            let skipped = found - chosen.len();
            self.place(queue, &takers, chosen).await?;
            if skipped == 0 && found < room {
                self.done.exhausted.push(queue.to_owned());
                return Ok(());
            }
            // The next look must not find these again.
            self.write_given().await?;
        }
    }

    async fn within_limits(&mut self, mut candidates: Vec<FullJob>) -> Result<Vec<FullJob>, Error> {
        let limited = candidates.iter().map(|job| job.row.automation_id).filter(|id| self.deps.catalog.is_limited(*id)).collect();
        self.limits.load(self.txn, limited).await?;
        candidates.retain(|job| self.limits.take(job.row.automation_id));
        Ok(candidates)
    }

    /// Gives the first jobs to the claims, the rest to the broker.
    async fn place(&mut self, queue: &str, takers: &[(usize, usize)], chosen: Vec<FullJob>) -> Result<(), Error> {
        let mut rest = chosen.into_iter();
        for (place, free) in takers {
            let mine: Vec<FullJob> = rest.by_ref().take(*free).collect();
            self.give(*place, mine).await?;
        }
        for job in rest {
            self.hand_to_broker(queue, job).await?;
        }
        Ok(())
    }

    async fn hand_to_broker(&mut self, queue: &str, job: FullJob) -> Result<(), Error> {
        let FullJob { mut row, parameters } = job;
        let Some(entry) = self.deps.catalog.get_stale(row.automation_id).await? else { return Ok(()) };
        let message = convert::job_message(&entry.automation, row.job.id, queue, parameters, (row.attempt, row.priority));
        self.done.publications.extend(Publication::new(message, entry.automation.draft.queue_profile));
        *self.done.handed.entry(queue.to_owned()).or_default() += 1;
        row.dispatch_started_at = Some(self.now);
        self.given_rows.push(row);
        Ok(())
    }

    /// Writes what was given out since the last time. The rows are locked.
    async fn write_given(&mut self) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.given_rows);
        store::jobs::job_update_many_in_txn(self.txn.get().await?, &rows.iter().collect::<Vec<_>>()).await?;
        self.done.written.extend(rows.into_iter().map(written));
        Ok(())
    }
}
