//! The writes of a plan.

use store::{
    Error, audit::audit_insert_many_in_txn, automations::automation_set_rate_in_txn, job_events::job_event_insert_many_in_txn,
    job_logs::chunk_insert_many_in_txn, jobs,
};

use super::Attempt;
use crate::writer::plan::Plan;

impl Attempt<'_> {
    /// Writes the changes of the commands: one statement per table; without a transaction if there is a single statement and nothing
    /// `follows`.
    pub(super) async fn write(&self, plan: &mut Plan<'_>, follows: bool) -> Result<(), Error> {
        self.write_rates(plan).await?;
        let changes = plan.rows.changes();
        let is_alone = !follows && !self.txn.has_begun() && changes.chunks.is_empty() && changes.events.is_empty();
        let are_few = |count: usize| count <= jobs::MOST_AT_ONCE;
        if is_alone && changes.rows.is_empty() && are_few(changes.new.len()) && are_few(changes.entries.len()) {
            jobs::job_insert_at_once(&self.deps.database, &changes.new, changes.entries, plan.now()).await?;
        } else if is_alone && changes.entries.is_empty() && changes.new.is_empty() && are_few(changes.rows.len()) {
            jobs::job_update_at_once(&self.deps.database, &changes.rows).await?;
        } else {
            let txn = self.txn.get().await?;
            jobs::job_insert_many_in_txn(txn, &changes.new).await?;
            jobs::job_update_many_in_txn(txn, &changes.rows).await?;
            chunk_insert_many_in_txn(txn, &changes.chunks, plan.now()).await?;
            job_event_insert_many_in_txn(txn, changes.events).await?;
            audit_insert_many_in_txn(txn, changes.entries, plan.now()).await?;
        }
        plan.rows.changes_written();
        Ok(())
    }

    /// Writes the jobs that were dispatched since the last call. Their rows are locked.
    pub(super) async fn write_placed(&self, plan: &mut Plan<'_>) -> Result<(), Error> {
        let placed = plan.rows.placed();
        if !placed.is_empty() {
            jobs::job_update_many_in_txn(self.txn.get().await?, &placed).await?;
            plan.rows.placed_written();
        }
        Ok(())
    }

    /// Writes the state of rate limits.
    pub(super) async fn write_rates(&self, plan: &mut Plan<'_>) -> Result<(), Error> {
        for (id, tat) in plan.selection.admission.take_changed_rates() {
            automation_set_rate_in_txn(self.txn.get().await?, id, tat).await?;
        }
        Ok(())
    }
}
