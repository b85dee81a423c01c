use store::{Error, jobs::Candidate};
use uuid::Uuid;

use super::batch::Batch;
use crate::{convert, publisher::Publication};

impl Batch<'_> {
    /// Gives waiting jobs to parked claims and to the broker, as far as there is room and limits allow, by priority, then age.
    pub(super) async fn give_out(&mut self) -> Result<(), Error> {
        self.give_again().await?;
        let queues: Vec<String> = self.desk.waiting.iter().chain(&self.done.waiting).cloned().collect();
        for queue in queues {
            if self.done.exhausted.contains(&queue) {
                continue;
            }
            self.give_out_queue(&queue).await?;
        }
        Ok(())
    }

    async fn give_out_queue(&mut self, queue: &str) -> Result<(), Error> {
        self.give_stranded(queue).await?;
        loop {
            let takers = self.takers(queue);
            let claimed: usize = takers.iter().map(|(_, free)| free).sum();
            let room = claimed + self.broker_room(queue);
            if room == 0 {
                return Ok(());
            }
            let full = self.limits.full();
            let limit = u64::try_from(room.min(256)).unwrap_or(256);
            let candidates = store::jobs::job_list_candidates_in_txn(self.txn, queue, &full, self.now, limit).await?;
            let found = candidates.len();
            let chosen = self.within_limits(candidates).await?;
            let skipped = found - chosen.len();
            self.place(queue, &takers, &chosen).await?;
            if skipped == 0 && found < room.min(256) {
                self.done.exhausted.push(queue.to_owned());
                return Ok(());
            }
        }
    }

    /// Gives jobs to claims whose messages nobody takes. Their places within limits are theirs already; whoever takes such a message after
    /// all is refused the start.
    async fn give_stranded(&mut self, queue: &str) -> Result<(), Error> {
        let stranded = self.desk.stranded(queue);
        let mut rest = stranded.as_slice();
        for (place, free) in self.takers(queue) {
            let (mine, others) = rest.split_at(rest.len().min(free));
            rest = others;
            if !mine.is_empty() {
                self.give(place, mine).await?;
            }
        }
        Ok(())
    }

    async fn within_limits(&mut self, candidates: Vec<Candidate>) -> Result<Vec<Uuid>, Error> {
        let limited: Vec<i32> =
            candidates.iter().map(|candidate| candidate.automation_id).filter(|id| self.deps.catalog.is_limited(*id)).collect();
        self.limits.load(self.txn, limited.into_iter()).await?;
        Ok(candidates.into_iter().filter(|candidate| self.limits.take(candidate.automation_id)).map(|candidate| candidate.id).collect())
    }

    /// Gives the first jobs to the claims, the rest to the broker.
    async fn place(&mut self, queue: &str, takers: &[(usize, usize)], chosen: &[Uuid]) -> Result<(), Error> {
        let mut rest = chosen;
        for (place, free) in takers {
            let (mine, others) = rest.split_at(rest.len().min(*free));
            rest = others;
            if !mine.is_empty() {
                self.give(*place, mine).await?;
            }
        }
        if !rest.is_empty() {
            self.hand_to_broker(queue, rest).await?;
        }
        Ok(())
    }

    async fn hand_to_broker(&mut self, queue: &str, ids: &[Uuid]) -> Result<(), Error> {
        store::jobs::job_mark_dispatched_in_txn(self.txn, ids, self.now).await?;
        let mut parameters: std::collections::HashMap<_, _> = store::jobs::job_payloads_in_txn(self.txn, ids).await?.into_iter().collect();
        let mut rows = store::jobs::job_load_for_update_in_txn(self.txn, ids).await?;
        rows.sort_by_key(|row| ids.iter().position(|id| *id == row.job.id));
        for row in rows {
            let Some(entry) = self.deps.catalog.get_stale(row.automation_id).await? else { continue };
            let parameters = parameters.remove(&row.job.id).unwrap_or_default();
            let message = convert::job_message(&entry.automation, row.job.id, queue, parameters, (row.attempt, row.priority));
            self.done.publications.extend(Publication::new(message, entry.automation.draft.queue_profile));
            *self.done.handed.entry(queue.to_owned()).or_default() += 1;
        }
        Ok(())
    }
}
