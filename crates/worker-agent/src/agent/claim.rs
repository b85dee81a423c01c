//! Takes jobs over HTTP.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use api_types::ClaimRequest;
use tokio::sync::watch;

use super::core::{Core, over};
use crate::{Claimed, HubError, Job, backoff::Backoff};

/// Seconds that a claim waits on the hub.
const WAIT_S: f64 = 20.0;
/// Most jobs of one claim.
const MAX: usize = 1000;
/// When only a few of many slots are free, others may be in a moment: one claim for all of them is cheaper.
const GATHER: Duration = Duration::from_millis(5);
/// An empty answer that came at once is not asked for again at once.
const IDLE: Duration = Duration::from_millis(250);
/// How long the end of the last claim may take.
const LAST: Duration = Duration::from_secs(2);

/// Takes jobs until the agent takes no more.
pub(super) async fn run(core: Arc<Core>, mut stopped: watch::Receiver<bool>) {
    claim_all(&core, &mut stopped).await;
    let aborted = *core.abort.borrow();
    if !aborted && tokio::time::timeout(LAST, end_claim(&core)).await.is_err() {
        tracing::warn!("the hub does not answer: a job that it gave just now waits for the end of its lease");
    }
}

/// Ends the claim that was under way: otherwise the hub might give it a job that nobody takes. What it gave in the same instant is run.
async fn end_claim(core: &Arc<Core>) {
    match core.hub.claim(&request(core, 0, 0.0)).await {
        Ok(assignments) => {
            for assignment in assignments {
                take(core, assignment).await;
            }
        }
        Err(error) => tracing::debug!(%error, "the last claim is left to the hub"),
    }
}

async fn claim_all(core: &Arc<Core>, stopped: &mut watch::Receiver<bool>) {
    let mut backoff = Backoff::new(Duration::from_secs(10));
    loop {
        // One claim at a time: the hub gives again what it gave and this worker does not name. One under way when the worker is paused
        // is left to the hub, which gives it nothing more: whatever it has given must not get lost.
        let claimed = tokio::select! {
            biased;
            () = over(stopped) => return,
            () = core.aborted() => return,
            claimed = claim(core) => claimed,
        };
        let pause = match claimed {
            Ok(assignments) => {
                backoff.reset();
                for assignment in assignments {
                    take(core, assignment).await;
                }
                continue;
            }
            Err(error) => after_error(core, &error, &mut backoff).await,
        };
        tokio::select! {
            () = over(stopped) => return,
            () = core.aborted() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn claim(core: &Core) -> Result<Vec<Claimed>, HubError> {
    core.drains(false).await;
    let full = core.full.notified();
    let free = free_slots(core).await;
    let asked = Instant::now();
    let request = request(core, u32::try_from(free.min(MAX)).unwrap_or(1), WAIT_S);
    let assignments = tokio::select! {
        claimed = core.hub.claim(&request) => claimed?,
        // Messages have taken every slot: somebody else may have a free one. What the hub has given just now it gives again.
        () = full => return Ok(Vec::new()),
    };
    if assignments.is_empty() && asked.elapsed() < IDLE {
        tokio::time::sleep(IDLE).await;
    }
    Ok(assignments)
}

fn request(core: &Core, max: u32, wait_s: f64) -> ClaimRequest {
    ClaimRequest { worker_id: core.worker_id(), queues: core.settings.queues.clone(), max, wait_s, holding: core.held.ids() }
}

/// Waits for a free slot and gives the number of free ones, at least 1.
async fn free_slots(core: &Core) -> usize {
    let slots = core.settings.slots as usize;
    // It fails only for a closed semaphore, and nobody closes this one.
    let _one = core.slots.acquire().await;
    if core.slots.available_permits() + 1 < slots / 4 {
        tokio::time::sleep(GATHER).await;
    }
    core.slots.available_permits() + 1
}

async fn take(core: &Arc<Core>, claimed: Claimed) {
    let (job, lease) = match &claimed {
        Claimed::Job(assignment) => (assignment.job_id, assignment.lease_token),
        Claimed::Unreadable { job, lease, .. } => (*job, *lease),
    };
    let Some(hold) = core.held.hold(job, Some(lease)) else {
        tracing::warn!(job.id = %job, "the hub gave a job that this worker holds already");
        return;
    };
    let Ok(slot) = core.slots.clone().acquire_owned().await else { return };
    let this = core.clone();
    core.spawn(slot, async move {
        match claimed {
            Claimed::Job(assignment) => this.execute(&Job::from(*assignment), &hold, lease).await,
            Claimed::Unreadable { reason, .. } => this.refuse(&hold, lease, &reason).await,
        }
    });
}

/// How long to wait before the next claim.
async fn after_error(core: &Core, error: &HubError, backoff: &mut Backoff) -> Duration {
    if error.status() == Some(404) && !error.is_transient() {
        // The next attempt follows.
        let _again = core.register_again().await;
    } else if error.is_transient() {
        tracing::debug!(%error, "no claim for now");
    } else {
        tracing::error!(%error, "the hub refuses to give jobs");
    }
    backoff.step(error.retry_after())
}
