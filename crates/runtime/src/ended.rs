//! Reads jobs in the order in which they ended, for what follows from an end: each is counted at least once, whichever process dies when.
//!
//! The cursor stays [`LATE`] behind the clock: a job's end is stamped before its transaction commits, so that an end may appear behind one that was
//! read. What follows the cursor is read whole every [`WHOLE`]; in between, only what is not older than [`OVERLAP`] before the last end that was
//! read. This process remembers which of them it has counted; after a restart some are counted again, so counting twice must do no harm.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::JobId;
use futures_util::future::BoxFuture;
use store::Error;

use crate::Shutdown;

/// How far behind the clock an end may still appear.
const LATE: TimeDelta = TimeDelta::minutes(5);
/// How often everything after the cursor is read.
const WHOLE: TimeDelta = TimeDelta::seconds(60);
/// Most ends appear in this time.
const OVERLAP: TimeDelta = TimeDelta::seconds(2);
/// How often the cursor is written, at most.
const NOTE: TimeDelta = TimeDelta::seconds(30);
/// Ends that a transaction counts.
const BATCH: u64 = 200;
/// How long a run counts; the next one continues.
const STEP: Duration = Duration::from_secs(4);

/// What ends are counted for.
pub trait EndedJobs: Send + Sync {
    /// An ended job.
    type Ended: Send;

    /// When it ended, and its id.
    fn place(ended: &Self::Ended) -> (DateTime<Utc>, JobId);

    /// From when on ends count; `None`: none does.
    fn since(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Option<DateTime<Utc>>, Error>>;

    /// Where the cursor is.
    fn cursor(&self) -> BoxFuture<'_, Result<Option<DateTime<Utc>>, Error>>;

    /// Writes where the cursor is.
    fn note(&self, cursor: DateTime<Utc>) -> BoxFuture<'_, Result<(), Error>>;

    /// The next `limit` ended jobs, by time of the end and id, after these.
    fn list(&self, after: (DateTime<Utc>, JobId), limit: u64) -> BoxFuture<'_, Result<Vec<Self::Ended>, Error>>;

    /// Counts ends in one transaction, and returns how many things follow.
    fn count(&self, ended: Vec<Self::Ended>, now: DateTime<Utc>) -> BoxFuture<'_, Result<u64, Error>>;
}

/// What this process has read.
#[derive(Debug, Default)]
pub struct EndedReader(Mutex<Read>);

#[derive(Clone, Debug, Default)]
struct Read {
    /// When it read everything after the cursor.
    whole_at: Option<DateTime<Utc>>,
    /// The ends that it has counted which follow the cursor.
    counted: BTreeSet<(DateTime<Utc>, JobId)>,
}

impl EndedReader {
    /// Counts what ended, and returns how many things follow.
    ///
    /// # Errors
    /// Any [`Error`] of the database; what was not counted is counted by the next run.
    pub async fn count<J: EndedJobs>(&self, jobs: &J, now: DateTime<Utc>, shutdown: &Shutdown) -> Result<u64, Error> {
        let Some(since) = jobs.since(now).await? else {
            self.keep(Read::default());
            return Ok(0);
        };
        // A clock that was ahead left it there.
        let cursor: Option<DateTime<Utc>> = jobs.cursor().await?.filter(|cursor| *cursor <= now);
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_whole = read.whole_at.is_none_or(|at| now < at || now - at >= WHOLE);
        let mut from = cursor.unwrap_or(now - LATE).max(since);
        // The clock may have been ahead when one was stamped.
        let last = read.counted.iter().rev().find(|(at, _)| *at <= now);
        if let (Some((last, _)), false) = (last, is_whole) {
            from = from.max(*last - OVERLAP);
        }
        let (mut after, begun, mut due, mut is_done) = ((from, JobId::default()), Instant::now(), 0, false);
        while !is_done && begun.elapsed() < STEP && !shutdown.is_triggered() {
            let ended = jobs.list(after, BATCH).await?;
            is_done = (ended.len() as u64) < BATCH;
            let Some(last) = ended.last() else { break };
            after = J::place(last);
            let new: Vec<J::Ended> = ended.into_iter().filter(|ended| !read.counted.contains(&J::place(ended))).collect();
            if !new.is_empty() {
                let places: Vec<_> = new.iter().map(J::place).collect();
                due += jobs.count(new, now).await?;
                read.counted.extend(places);
            }
        }
        if is_whole && is_done {
            read.whole_at = Some(now);
        }
        let next = if is_done { now - LATE } else { after.0.min(now - LATE) };
        let next = cursor.map_or(next, |cursor| cursor.max(next));
        if cursor.is_none_or(|cursor| next - cursor >= NOTE) {
            jobs.note(next).await?;
            read.counted = read.counted.split_off(&(next, JobId::default()));
        }
        self.keep(read);
        Ok(due)
    }

    fn keep(&self, read: Read) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = read;
    }
}
