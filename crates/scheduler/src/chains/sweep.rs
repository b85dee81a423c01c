//! Reads jobs that ended, counts them, and requests the jobs of the runs that are due.
//!
//! Two steps, each of which may be repeated and may run in two processes at once. An end and the run that it completes are written in one
//! transaction that holds the rows of the chains. Runs that wait are requested with their idempotency key, so that a scheduler that was killed
//! before it noted the answer, or two at the same time, get the same job.
//!
//! The cursor stays [`LATE`] behind the clock: a job's end is stamped before its transaction commits, so that an end may appear behind one that was
//! read. What follows the cursor is read whole every [`WHOLE`]; in between, only what is not older than [`OVERLAP`] before the last end that was
//! read. This process remembers which of them it has counted.

mod ask;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    chain::{Chain as Rules, Ended},
    ids::JobId,
    schedule::Zones,
};
use futures_util::future::BoxFuture;
use runtime::{Clock, Counts, Events, JobIntake, Reconciler, Shutdown, TaskError};
use store::{
    Database, Error, Transaction,
    chains::{
        NewRun, chain_count_in_txn, chain_list_ended_unscoped, chain_lock_in_txn, chain_results_in_txn, chain_since_unscoped,
        chain_start_run_in_txn,
    },
    schedules::{scheduler_state, scheduler_state_put},
};

use super::convert::rules;

/// How far behind the clock an end may still appear.
const LATE: TimeDelta = TimeDelta::minutes(5);
/// How often everything after the cursor is read.
const WHOLE: TimeDelta = TimeDelta::seconds(60);
/// Most ends appear in this time.
const OVERLAP: TimeDelta = TimeDelta::seconds(2);
/// How often the cursor is written, at most.
const NOTE: TimeDelta = TimeDelta::seconds(30);
/// Ends that a transaction counts, and runs that are read at once.
const BATCH: u64 = 200;
/// How long a run counts, and then how long it requests jobs; the next one continues.
const STEP: Duration = Duration::from_secs(4);
/// Time limit of a run: longer than its two steps. A dead replica's claim ends soon after it.
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
    pub(crate) read: Mutex<Read>,
}

/// What this process has read.
#[derive(Clone, Default)]
pub(crate) struct Read {
    /// When it read everything after the cursor.
    whole_at: Option<DateTime<Utc>>,
    /// The ends that it has counted which follow the cursor.
    counted: BTreeSet<(DateTime<Utc>, JobId)>,
}

impl Sweep {
    /// Counts what ended, and returns how many runs are due by it.
    async fn count(&self, now: DateTime<Utc>) -> Result<u64, Error> {
        let Some(since) = chain_since_unscoped(&self.database).await? else {
            *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Read::default();
            return Ok(0);
        };
        let kept = scheduler_state(&self.database, CURSOR).await?.and_then(|text| text.parse().ok());
        // A clock that was ahead left it there.
        let cursor: Option<DateTime<Utc>> = kept.filter(|cursor| *cursor <= now);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_whole = read.whole_at.is_none_or(|at| now < at || now - at >= WHOLE);
        let mut from = cursor.unwrap_or(now - LATE).max(since);
        // The clock may have been ahead when one was stamped.
        let last = read.counted.iter().rev().find(|(at, _)| *at <= now);
        if let (Some((last, _)), false) = (last, is_whole) {
            from = from.max(*last - OVERLAP);
        }
        let (mut after, begun, mut due, mut is_done) = ((from, JobId::default()), Instant::now(), 0, false);
        while !is_done && begun.elapsed() < STEP && !self.shutdown.is_triggered() {
            let ended = chain_list_ended_unscoped(&self.database, after, BATCH).await?;
            is_done = (ended.len() as u64) < BATCH;
            let Some(last) = ended.last() else { break };
            after = (last.at, last.job_id);
            let new: Vec<Ended> = ended.into_iter().filter(|ended| !read.counted.contains(&(ended.at, ended.job_id))).collect();
            if !new.is_empty() {
                let places: Vec<_> = new.iter().map(|ended| (ended.at, ended.job_id)).collect();
                let txn = self.database.begin().await?;
                due += self.count_in_txn(&txn, new, now).await?;
                txn.commit().await?;
                read.counted.extend(places);
            }
        }
        if is_whole && is_done {
            read.whole_at = Some(now);
        }
        self.note(cursor, if is_done { now - LATE } else { after.0.min(now - LATE) }, &mut read).await?;
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(due)
    }

    /// Moves the cursor, and forgets what it has passed.
    async fn note(&self, cursor: Option<DateTime<Utc>>, next: DateTime<Utc>, read: &mut Read) -> Result<(), Error> {
        let next = cursor.map_or(next, |cursor| cursor.max(next));
        if cursor.is_none_or(|cursor| next - cursor >= NOTE) {
            scheduler_state_put(&self.database, CURSOR, &next.to_rfc3339()).await?;
            read.counted = read.counted.split_off(&(next, JobId::default()));
        }
        Ok(())
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
            let due = self.count(now).await?;
            let mut counts = self.ask(now).await?;
            counts.insert("runs_due", due);
            Ok(counts)
        })
    }
}
