use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use chrono::{DateTime, TimeDelta, Utc};
use store::{
    Error,
    reconcilers::{Claim, Run, reconciler_claim, reconciler_finish},
};
use tokio::sync::Semaphore;

use super::{Counts, Entry, Reconciler, Terms, absence::Attendance, run_metrics::RunMetrics};
use crate::TaskError;

/// Runs a reconciler when it is due or nudged, until the shutdown. `claiming` lets one reconciler of the process claim its run at a time: while
/// SQLite's write lock is taken, they would otherwise hold every connection that requests read with.
pub(super) async fn keep_running(terms: Terms, claiming: Arc<Semaphore>, entry: Entry) -> Result<(), TaskError> {
    let Entry { reconciler, nudge, run_metrics } = entry;
    // Half of the interval, so that a run is hardly late; bounded, so that a dead holder is noticed.
    let pause = (reconciler.interval() / 2).min(terms.tick * 5);
    let moment = || (Instant::now(), SystemTime::now());
    let mut attendance = Attendance::new(pause, terms.lease, terms.returns, moment());
    let (mut out_of_reach, mut nudged) = (false, false);
    loop {
        tokio::select! {
            () = terms.shutdown.wait() => return Ok(()),
            () = nudge.notified() => nudged = true,
            () = tokio::time::sleep(pause) => {}
        }
        // Read before the check for an absence: whatever is due by this time was due before the absence.
        let now = (terms.clock)();
        let outcome = if reconciler.judges() && !attendance.may_judge(moment()) {
            terms.database.ping().await
        } else {
            // A nudge lasts until a run has started after it: a run in progress elsewhere may have read the state before.
            run_if_due(&terms, &claiming, (&reconciler, &run_metrics), now, nudged).await.map(|ran| nudged &= !ran)
        };
        match outcome {
            Ok(()) => {
                // Without writes, heartbeats cannot be recorded.
                if !terms.writes.is_failing() {
                    attendance.was_there(moment());
                }
                out_of_reach = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut out_of_reach, true) {
                    tracing::warn!(%error, reconciler.name = reconciler.name(), "the reconciler cannot reach the database");
                }
            }
        }
    }
}

/// Runs it if it is due and claimed; returns whether it ran.
async fn run_if_due(
    terms: &Terms,
    claiming: &Semaphore,
    (reconciler, run_metrics): (&Arc<dyn Reconciler>, &RunMetrics),
    now: DateTime<Utc>,
    nudged: bool,
) -> Result<bool, Error> {
    let (name, limit) = (reconciler.name(), reconciler.limit());
    let every = if nudged { TimeDelta::zero() } else { TimeDelta::from_std(reconciler.interval()).unwrap_or(TimeDelta::MAX) };
    // Longer than the time limit of a run.
    let hold_for = TimeDelta::from_std(limit.mul_f64(1.5)).unwrap_or(TimeDelta::MAX);
    let claim = Claim { name, holder: terms.holder, now, hold_for, every };
    let turn = claiming.acquire().await;
    let is_claimed = reconciler_claim(&terms.database, &claim).await?;
    drop(turn);
    if !is_claimed {
        return Ok(false);
    }
    let begun = Instant::now();
    let work = reconciler.clone();
    let outcome = supervised(limit, async move { work.run_once(now).await }).await;
    run_metrics.count(begun.elapsed(), outcome.as_ref().ok(), (terms.clock)());
    match &outcome {
        Ok(counts) if counts.values().any(|count| *count > 0) => tracing::info!(reconciler.name = name, ?counts, "reconciled"),
        Ok(_) => {}
        Err(error) => tracing::warn!(error, reconciler.name = name, "the reconciler failed; it runs again"),
    }
    let duration_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    let outcome = outcome.and_then(|counts| serde_json::to_value(counts).map_err(|error| error.to_string()));
    reconciler_finish(&terms.database, name, terms.holder, &Run { now: (terms.clock)(), duration_ms, outcome }).await.map(|()| true)
}

/// Runs `work` in its own task, for at most `limit`, and returns its result. A panic is an error, too.
async fn supervised(limit: Duration, work: impl Future<Output = Result<Counts, TaskError>> + Send + 'static) -> Result<Counts, String> {
    let mut task = AbortOnDrop(tokio::spawn(work));
    match tokio::time::timeout(limit, &mut task.0).await {
        Ok(Ok(outcome)) => outcome.map_err(|error| error.to_string()),
        Ok(Err(panic)) => Err(format!("it panicked: {panic}")),
        Err(_elapsed) => Err(format!("it took longer than {} s and was stopped", limit.as_secs_f64())),
    }
}

/// Aborts a run whose loop has ended.
struct AbortOnDrop(tokio::task::JoinHandle<Result<Counts, TaskError>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_outcome_or_failure_of_a_run_is_reported() {
        let counts = Counts::from([("jobs", 2)]);
        let limit = Duration::from_secs(30);
        assert_eq!(supervised(limit, async { Ok(Counts::from([("jobs", 2)])) }).await, Ok(counts));
        let error = supervised(limit, async { Err(Error::Unavailable("away".to_owned()).into()) }).await.unwrap_err();
        assert!(error.contains("away"), "{error}");
        let error = supervised(limit, async { panic!("oh") }).await.unwrap_err();
        assert!(error.contains("panicked") && error.contains("oh"), "{error}");
    }

    #[tokio::test]
    async fn a_run_that_takes_too_long_is_stopped() {
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        let work = async move {
            std::future::pending::<()>().await;
            drop(alive);
            Ok(Counts::new())
        };
        let error = supervised(Duration::from_millis(10), work).await.unwrap_err();
        assert!(error.contains("longer than 0.01 s"), "{error}");
        assert!(gone.await.is_err(), "its future was dropped");
    }
}
