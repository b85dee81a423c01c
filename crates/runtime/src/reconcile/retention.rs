//! Deletes what is older than its retention time: batch by batch, so that no statement holds a table for long.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use store::{Database, Error};

use super::{Counts, Reconciler};
use crate::{Context, Shutdown, TaskError};

/// Maximum number of rows that a statement deletes.
pub const BATCH: u64 = 500;
/// Time limit of a run; the next one continues.
const RUN_FOR: Duration = Duration::from_secs(20);

/// The moment before which rows are deleted; `None`: they are kept for ever, because `kept` is zero.
#[must_use]
pub fn kept_since(now: DateTime<Utc>, kept: Duration) -> Option<DateTime<Utc>> {
    let kept = TimeDelta::from_std(kept).ok().filter(|kept| !kept.is_zero())?;
    now.checked_sub_signed(kept)
}

/// Repeats `batch`, which returns how many rows of each kind it changed, until none of them is a whole [`BATCH`], the time of a run is over or the
/// process ends; returns the sums.
///
/// # Errors
/// The first one of `batch`; what was done before stays done.
pub async fn in_batches<const KINDS: usize, E, F>(shutdown: &Shutdown, mut batch: impl FnMut() -> F) -> Result<[u64; KINDS], E>
where
    F: Future<Output = Result<[u64; KINDS], E>>,
{
    let (begun, mut sums) = (Instant::now(), [0; KINDS]);
    loop {
        let rows = batch().await?;
        sums.iter_mut().zip(rows).for_each(|(sum, rows)| *sum += rows);
        if rows.iter().all(|rows| *rows < BATCH) || begun.elapsed() >= RUN_FOR || shutdown.is_triggered() {
            return Ok(sums);
        }
    }
}

/// A kind of rows, and the name of its count.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Name of the number of removed rows.
    pub counted: &'static str,
    /// Deletes [`BATCH`] rows at most that are older than a time, and returns their number.
    pub remove: Remove,
}

/// Deletes a batch of older rows and returns their number.
pub type Remove = for<'a> fn(&'a Database, DateTime<Utc>) -> BoxFuture<'a, Result<u64, Error>>;

/// The reconciler that deletes rows of some kinds which have exceeded their retention time.
pub struct Retention {
    name: &'static str,
    kept: Duration,
    kinds: &'static [Kind],
    database: Database,
    shutdown: Shutdown,
}

impl Retention {
    /// Deletes these kinds, in order, `kept` after their time; zero: never.
    #[must_use]
    pub fn new(context: &Context, name: &'static str, kept: Duration, kinds: &'static [Kind]) -> Self {
        Self { name, kept, kinds, database: context.database.clone(), shutdown: context.shutdown.clone() }
    }
}

impl Reconciler for Retention {
    fn name(&self) -> &'static str {
        self.name
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(600)
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let mut counts = Counts::new();
            for Kind { counted, remove } in self.kinds {
                let removed = match kept_since(now, self.kept) {
                    Some(before) => {
                        let batch = || async { remove(&self.database, before).await.map(|removed| [removed]) };
                        let [removed] = in_batches(&self.shutdown, batch).await?;
                        removed
                    }
                    None => 0,
                };
                counts.insert(*counted, removed);
            }
            Ok(counts)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sums(shutdown: &Shutdown, batches: &[[u64; 2]]) -> ([u64; 2], usize) {
        let mut done = 0;
        let sums = in_batches(shutdown, || {
            let rows = batches[done];
            done += 1;
            std::future::ready(Ok::<_, ()>(rows))
        });
        let sums = sums.await.unwrap();
        (sums, done)
    }

    #[tokio::test]
    async fn a_run_ends_with_the_first_batch_that_is_not_whole() {
        let batches = [[BATCH, 3], [0, BATCH], [7, 1], [BATCH, 0]];
        assert_eq!(sums(&Shutdown::default(), &batches).await, ([BATCH + 7, BATCH + 4], 3));
    }

    #[tokio::test]
    async fn a_run_ends_with_the_process() {
        let shutdown = Shutdown::default();
        shutdown.trigger();
        assert_eq!(sums(&shutdown, &[[BATCH, 0], [0, 0]]).await, ([BATCH, 0], 1));
    }

    #[test]
    fn zero_keeps_rows_for_ever() {
        let now = DateTime::from_timestamp(1_795_651_200, 0).unwrap();
        assert_eq!(kept_since(now, Duration::ZERO), None);
        assert_eq!(kept_since(now, Duration::from_secs(60)), Some(now - TimeDelta::seconds(60)));
        assert_eq!(kept_since(now, Duration::MAX), None);
    }
}
