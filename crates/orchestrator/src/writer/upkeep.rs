//! The writer's background work: records confirms, returns jobs with lost messages to the backlog, and refreshes the caches. No request
//! waits for it, and a reconciler repairs what fails here.

use std::time::Duration;

use domain::ids::JobId;
use store::{Error, workers::Worker};
use tokio::time::Instant;

use super::{deps::Deps, memory::Memory};
use crate::notices::LostMessage;

/// How long confirms are collected, to be written together.
const CONFIRM_WITHIN: Duration = Duration::from_millis(100);
/// Maximum number of deliveries without a start, after which the job is parked.
const MOST_UNSTARTED: i32 = 3;

/// Pending news of messages.
#[derive(Default)]
pub(super) struct Upkeep {
    confirmed: Vec<JobId>,
    /// When the confirms are written.
    pub(super) confirm_at: Option<Instant>,
    /// Jobs whose message the broker does not have, with their queues.
    pub(super) unconfirmed: Vec<(JobId, String)>,
    /// Messages that the broker no longer has.
    pub(super) lost: Vec<LostMessage>,
}

impl Upkeep {
    pub(super) fn confirmed(&mut self, id: JobId, now: Instant) {
        self.confirmed.push(id);
        self.confirm_at.get_or_insert(now + CONFIRM_WITHIN);
    }
}

impl Upkeep {
    /// Performs due work.
    pub(super) async fn run(&mut self, deps: &Deps, memory: &mut Memory) {
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        if !unconfirmed.is_empty() {
            release(deps, memory, &unconfirmed).await;
        }
        for message in std::mem::take(&mut self.lost) {
            release_lost(deps, memory, message).await;
        }
        if self.confirm_at.is_some_and(|at| at <= Instant::now()) {
            self.confirm_at = None;
            note_confirmed(deps, memory, std::mem::take(&mut self.confirmed)).await;
        }
    }
}

/// Returns a job with a lost message to the backlog. A job whose messages were delivered several times is parked, so that it is not published
/// for ever. Two runs of the reconciler may report the same message; the second finds a job that was dispatched again, and must not touch
/// it.
async fn release_lost(deps: &Deps, memory: &mut Memory, LostMessage { job_id, queue, before, delivered }: LostMessage) {
    let attempt = async {
        let txn = deps.database.begin().await?;
        let (ids, parked) = match delivered {
            true => store::jobs::job_undeliver_in_txn(&txn, &[job_id], before, (MOST_UNSTARTED, (deps.clock)())).await?,
            false => {
                let ids = store::jobs::job_list_dispatched_before_in_txn(&txn, &[job_id], before).await?;
                store::jobs::job_undispatch_in_txn(&txn, &ids).await?;
                (ids, 0)
            }
        };
        txn.commit().await.map(|()| (ids, parked))
    };
    match attempt.await {
        Ok((ids, parked)) => {
            if parked > 0 {
                tracing::warn!(job.id = %job_id, "its messages were delivered several times without a start; the job is parked until somebody resumes or cancels it");
            }
            ids.iter().for_each(|id| memory.state.released(&queue, *id));
            memory.rows.forget(ids);
        }
        // The reconciler finds it again.
        Err(error) => {
            tracing::warn!(%error, job.id = %job_id, "a job with a lost message could not be returned to the backlog; retrying later")
        }
    }
}

/// Returns jobs to the backlog.
async fn release(deps: &Deps, memory: &mut Memory, jobs: &[(JobId, String)]) {
    let ids: Vec<JobId> = jobs.iter().map(|(id, _)| *id).collect();
    let attempt = async {
        let txn = deps.database.begin().await?;
        store::jobs::job_undispatch_in_txn(&txn, &ids).await?;
        txn.commit().await
    };
    match attempt.await {
        Ok(()) => {
            memory.rows.forget(ids);
            jobs.iter().for_each(|(id, queue)| memory.state.released(queue, *id));
        }
        // The sweep finds them later.
        Err(error) => {
            tracing::warn!(%error, jobs = ids.len(), "jobs with lost messages could not be returned to the backlog; retrying later")
        }
    }
}

async fn note_confirmed(deps: &Deps, memory: &mut Memory, mut ids: Vec<JobId>) {
    // A job that has started needs no confirm.
    ids.retain(|id| memory.state.is_undelivered(*id));
    if ids.is_empty() {
        return;
    }
    let attempt = async {
        let txn = deps.database.begin().await?;
        store::jobs::job_confirm_dispatched_in_txn(&txn, &ids, (deps.clock)()).await?;
        txn.commit().await
    };
    if let Err(error) = attempt.await {
        tracing::warn!(%error, jobs = ids.len(), "confirms not recorded; the messages may be published twice");
    }
    memory.rows.forget(ids);
}

/// Refreshes the dispatch state, with the workers if they were read.
pub(super) async fn refresh(deps: &Deps, memory: &mut Memory, workers: Option<Vec<Worker>>) {
    let now = (deps.clock)();
    let database = &deps.database;
    if let Some(workers) = workers {
        memory.state.set_workers(workers, |worker| worker.life.state(deps.leases.agent, now));
    }
    let read = async {
        let undelivered = store::jobs::job_list_undelivered_unscoped(database).await?;
        let held = store::jobs::job_list_held_unscoped(database).await?;
        let waiting = store::jobs::job_queues_waiting(database).await?;
        Ok::<_, Error>((undelivered, held, waiting))
    };
    match read.await {
        Ok((undelivered, held, waiting)) => {
            memory.state.set_jobs(undelivered.into_iter().map(|(id, queue, _)| (id, queue)).collect(), held);
            memory.state.candidate_queues.extend(waiting);
            let stranded = memory.state.stranded();
            if !stranded.is_empty() {
                release(deps, memory, &stranded).await;
            }
        }
        Err(error) => tracing::warn!(%error, "the dispatch state could not be refreshed"),
    }
}
