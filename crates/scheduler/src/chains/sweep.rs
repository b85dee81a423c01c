//! Reads jobs that ended, counts them, and requests the jobs of the runs that are due.
//!
//! Two steps, each of which may be repeated and may run in two processes at once. An end and the run that it completes are written in one
//! transaction that holds the rows of the chains. Runs that wait are requested with their idempotency key, so that a scheduler that was killed
//! before it noted the answer, or two at the same time, get the same job.
//!
//! [`runtime::EndedReader`] reads them: an end may be counted twice, which has no effect.

mod ask;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use domain::{
    chain::{Chain as Rules, Ended},
    ids::JobId,
    schedule::Zones,
};
use futures_util::future::BoxFuture;
use runtime::{Clock, Counts, EndedJobs, EndedReader, Events, JobIntake, Reconciler, Shutdown, TaskError};
use store::{
    Database, Error, Transaction,
    chains::{
        NewRun, chain_count_in_txn, chain_list_ended_unscoped, chain_lock_in_txn, chain_results_in_txn, chain_since_unscoped,
        chain_start_run_in_txn,
    },
    schedules::{scheduler_state, scheduler_state_put},
};

use super::convert::rules;

/// Runs that are read at once.
const BATCH: u64 = 200;
/// How long a run requests jobs; the next one continues.
const STEP: Duration = Duration::from_secs(4);
/// Time limit of a run: longer than it counts and requests. A dead replica's claim ends soon after it.
const LIMIT: Duration = Duration::from_secs(10);
/// Name of the cursor.
const CURSOR: &str = "chains.cursor";
/// Reason of a run whose parameters are too large.
const TOO_LARGE: &str = "too_large";

/// The reconciler.
pub(crate) struct Sweep {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) intake: Arc<dyn JobIntake>,
    pub(crate) zones: Arc<Zones>,
    pub(crate) tick: Duration,
    pub(crate) shutdown: Shutdown,
    pub(crate) read: EndedReader,
}

impl EndedJobs for Sweep {
    type Ended = Ended;

    fn place(ended: &Ended) -> (DateTime<Utc>, JobId) {
        (ended.at, ended.job_id)
    }

    fn since(&self, _now: DateTime<Utc>) -> BoxFuture<'_, Result<Option<DateTime<Utc>>, Error>> {
        Box::pin(chain_since_unscoped(&self.database))
    }

    fn cursor(&self) -> BoxFuture<'_, Result<Option<DateTime<Utc>>, Error>> {
        Box::pin(async { Ok(scheduler_state(&self.database, CURSOR).await?.and_then(|text| text.parse().ok())) })
    }

    fn note(&self, cursor: DateTime<Utc>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { scheduler_state_put(&self.database, CURSOR, &cursor.to_rfc3339()).await })
    }

    fn list(&self, after: (DateTime<Utc>, JobId), limit: u64) -> BoxFuture<'_, Result<Vec<Ended>, Error>> {
        Box::pin(chain_list_ended_unscoped(&self.database, after, limit))
    }

    fn count(&self, ended: Vec<Ended>, now: DateTime<Utc>) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(async move {
            let txn = self.database.begin().await?;
            let due = self.count_in_txn(&txn, ended, now).await?;
            txn.commit().await?;
            Ok(due)
        })
    }
}

impl Sweep {
    /// Counts what ended, and returns how many runs are due by it.
    async fn count_ended(&self, now: DateTime<Utc>) -> Result<u64, Error> {
        self.read.count(self, now, &self.shutdown).await
    }

    async fn count_in_txn(&self, txn: &Transaction, ended: Vec<Ended>, now: DateTime<Utc>) -> Result<u64, Error> {
        let automations: Vec<_> = ended.iter().map(|ended| ended.automation_id).collect();
        let mut chains = Vec::new();
        for chain in chain_lock_in_txn(txn, &automations).await? {
            let (id, since) = (chain.id, chain.since_at);
            match rules(id, chain.draft, &self.zones) {
                Ok(rules) => chains.push((since, rules)),
                Err(fault) => tracing::warn!(chain.id = %id, error = fault.message, "a chain cannot be used any more"),
            }
        }
        let mut due = 0;
        for mut ended in ended {
            if chains.iter().any(|(_, rules)| rules.asks_result(ended.automation_id)) {
                ended.result = chain_results_in_txn(txn, &[ended.job_id]).await?.remove(&ended.job_id).flatten();
            }
            for (_, rules) in chains.iter().filter(|(since, rules)| ended.at >= *since && rules.accepts(&ended)) {
                due += u64::from(count_one(txn, rules, &ended, now).await?);
            }
        }
        Ok(due)
    }
}

/// Counts one end, and writes the run if it completes one.
async fn count_one(txn: &Transaction, rules: &Rules, ended: &Ended, now: DateTime<Utc>) -> Result<bool, Error> {
    let key = rules.key(ended);
    let Some(marks) = chain_count_in_txn(txn, rules.id, &key, ended).await? else { return Ok(false) };
    let counted: Vec<_> = marks.iter().map(|mark| mark.automation_id).collect();
    let Some(last) = marks.last().filter(|_| rules.is_complete(&counted)) else { return Ok(false) };
    let taken = marks.iter().filter(|mark| rules.takes_result(mark.automation_id, mark == &last));
    let mut results = chain_results_in_txn(txn, &taken.map(|mark| mark.job_id).collect::<Vec<_>>()).await?;
    let results: Vec<_> = marks.iter().map(|mark| (mark.automation_id, results.remove(&mark.job_id).flatten())).collect();
    let run = NewRun {
        chain_id: rules.id,
        key: &key,
        automation_id: rules.automation_id,
        root_id: ended.root,
        after_job_id: last.job_id,
        due_at: rules.due_at(last.ended_at),
        parameters: rules.parameters(&results).map_err(|fault| (TOO_LARGE.to_owned(), format!("{} {}", fault.field, fault.message))),
    };
    chain_start_run_in_txn(txn, run, now).await
}

impl Reconciler for Sweep {
    fn name(&self) -> &'static str {
        "chains"
    }

    fn interval(&self) -> Duration {
        self.tick
    }

    fn limit(&self) -> Duration {
        LIMIT
    }

    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let due = self.count_ended(now).await?;
            let mut counts = self.ask(now).await?;
            counts.insert("runs_due", due);
            Ok(counts)
        })
    }
}
