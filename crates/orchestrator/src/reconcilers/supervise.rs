use std::{
    future::Future,
    time::{Duration, Instant, SystemTime},
};

use chrono::{DateTime, TimeDelta, Utc};
use store::{
    Error,
    reconcilers::{Claim, Run, reconciler_claim, reconciler_finish},
};

use super::{Counts, Reconciler, absence::Presence};
use crate::Orchestrator;

/// Runs the reconcilers until the hub ends, each in a task of its own.
/// `returns`: no hub was there before this one.
pub(crate) fn start(hub: &Orchestrator, returns: bool) {
    for which in Reconciler::ALL {
        tokio::spawn(keep_running(hub.clone(), which, returns));
    }
}

async fn keep_running(hub: Orchestrator, which: Reconciler, returns: bool) {
    // Half of the interval, so that a run is hardly late; not too long, so that a dead holder is noticed.
    let pause = (which.every(hub.tick) / 2).min(hub.tick * 5);
    let moment = || (Instant::now(), SystemTime::now());
    let mut presence = Presence::new(pause, hub.lease.agent, returns, moment());
    let mut out_of_reach = false;
    loop {
        tokio::select! {
            () = hub.shutdown.wait() => return,
            () = tokio::time::sleep(pause) => {}
        }
        // Before it is asked whether this hub was away: what is due by this time was due before it was.
        let now = (hub.clock)();
        let outcome =
            if which.judges() && !presence.may_judge(moment()) { hub.database.ping().await } else { run_if_due(&hub, which, now).await };
        match outcome {
            Ok(()) => {
                // A database that takes no writes keeps workers from saying that they live.
                if !hub.writes.is_failing() {
                    presence.was_there(moment());
                }
                out_of_reach = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut out_of_reach, true) {
                    tracing::warn!(%error, reconciler.name = which.name(), "the reconciler cannot get to the database");
                }
            }
        }
    }
}

async fn run_if_due(hub: &Orchestrator, which: Reconciler, now: DateTime<Utc>) -> Result<(), Error> {
    let every = TimeDelta::from_std(which.every(hub.tick)).unwrap_or(TimeDelta::MAX);
    let limit = which.limit();
    // Longer than the run may take. Two runs at once, by clocks that disagree, do no harm.
    let hold_for = TimeDelta::from_std(limit.mul_f64(1.5)).unwrap_or(TimeDelta::MAX);
    let claim = Claim { name: which.name(), holder: hub.replica_id, now, hold_for, every };
    if !reconciler_claim(&hub.database, &claim).await? {
        return Ok(());
    }
    let begun = Instant::now();
    let work = hub.clone();
    let outcome = supervised(limit, async move { work.reconcile_at(which, now).await }).await;
    match &outcome {
        Ok(counts) if counts.values().any(|count| *count > 0) => {
            tracing::info!(reconciler.name = which.name(), ?counts, "reconciled")
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(error, reconciler.name = which.name(), "the reconciler failed; it runs again"),
    }
    let duration_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    let outcome = outcome.and_then(|counts| serde_json::to_value(counts).map_err(|error| error.to_string()));
    reconciler_finish(&hub.database, which.name(), hub.replica_id, &Run { now: (hub.clock)(), duration_ms, outcome }).await
}

/// Runs `work` as a task of its own: what it returns, or how it failed. A panic of it ends nothing else, and it does not run longer than
/// `limit`.
async fn supervised(limit: Duration, work: impl Future<Output = Result<Counts, Error>> + Send + 'static) -> Result<Counts, String> {
    let mut task = tokio::spawn(work);
    match tokio::time::timeout(limit, &mut task).await {
        Ok(Ok(outcome)) => outcome.map_err(|error| error.to_string()),
        Ok(Err(panic)) => Err(format!("it made a mistake: {panic}")),
        Err(_elapsed) => {
            task.abort();
            Err(format!("it took longer than {} s and was stopped", limit.as_secs_f64()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_run_did_or_why_it_failed_is_told() {
        let counts = Counts::from([("jobs", 2)]);
        let limit = Duration::from_secs(30);
        assert_eq!(supervised(limit, async { Ok(Counts::from([("jobs", 2)])) }).await, Ok(counts));
        let error = supervised(limit, async { Err(Error::Unavailable("away".to_owned())) }).await.unwrap_err();
        assert!(error.contains("away"), "{error}");
        let error = supervised(limit, async { panic!("oh") }).await.unwrap_err();
        assert!(error.contains("mistake") && error.contains("oh"), "{error}");
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
