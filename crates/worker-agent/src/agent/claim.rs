//! Takes jobs over HTTP.
//!
//! A claim's answer can be lost on the way, and with it jobs that the hub has already started. So claims are strictly sequential, and each
//! lists the jobs that this worker holds: the hub repeats whatever it dispatched and the list does not contain. The last claim, at a stop,
//! asks for nothing and only collects such jobs.

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
/// Maximum number of jobs per claim.
const MAX: usize = 1000;
/// When only a few of many slots are free, more may be free in a moment: one claim for all of them is cheaper.
const GATHER: Duration = Duration::from_millis(5);
/// Pause after an empty answer that came at once.
const IDLE: Duration = Duration::from_millis(250);
/// Time limit of the last claim.
const LAST: Duration = Duration::from_secs(2);

/// Takes jobs until the agent takes no more.
pub(super) async fn run(core: Arc<Core>, mut stopped: watch::Receiver<bool>) {
    claim_all(&core, &mut stopped).await;
    let aborted = *core.abort.borrow();
    if !aborted && tokio::time::timeout(LAST, end_claim(&core)).await.is_err() {
        tracing::warn!("the hub does not answer: a job that it has just dispatched waits until its lease expires");
    }
}

/// Ends the claim under way: otherwise the hub might dispatch a job to it that nobody takes. Jobs dispatched in the same instant are run.
async fn end_claim(core: &Arc<Core>) {
    match core.hub.claim(&request(core, 0, 0.0)).await {
        Ok(assignments) => {
            for assignment in assignments {
                take(core, assignment).await;
            }
        }
        Err(error) => tracing::debug!(%error, "the last claim could not be ended; the hub ends it"),
    }
}

async fn claim_all(core: &Arc<Core>, stopped: &mut watch::Receiver<bool>) {
    let mut backoff = Backoff::new(Duration::from_secs(10));
    loop {
        // One claim at a time: the hub repeats jobs that it dispatched and this worker does not list. A claim that is under way when the
        // worker is paused is not abandoned, so that no dispatched job gets lost; the hub answers it without new jobs.
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
        // Messages have taken every slot; another worker may have a free one. The hub repeats jobs that it has just dispatched here.
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

/// Waits for a free slot and returns the number of free ones, at least 1.
async fn free_slots(core: &Core) -> usize {
    let slots = core.settings.slots as usize;
    // It fails only for a closed semaphore, and this one is never closed.
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
        tracing::warn!(job.id = %job, "the hub dispatched a job that this worker already holds");
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
        // The loop tries again.
        let _again = core.register_again().await;
    } else if error.is_transient() {
        tracing::debug!(%error, "the claim failed; trying again");
    } else {
        tracing::error!(%error, "the hub refuses the claim");
    }
    backoff.step(error.retry_after())
}
