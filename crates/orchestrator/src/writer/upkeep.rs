//! What the writer keeps up beside commands: which messages the broker has confirmed, which jobs wait again because their message is gone, and
//! what it remembers. Nobody waits for it; what fails here is found later by a reconciler.

use std::time::Duration;

use store::{Error, workers::Worker};
use tokio::time::Instant;
use uuid::Uuid;

use super::{deps::Deps, memory::Memory};

/// How long confirmations wait for others, to be noted together.
const CONFIRM_WITHIN: Duration = Duration::from_millis(100);
/// How often a job's message is delivered without a start before the job waits for a person.
const MOST_UNSTARTED: i32 = 3;

/// News of messages that are to be noted.
#[derive(Default)]
pub(super) struct Upkeep {
    confirmed: Vec<Uuid>,
    /// When the confirmations are due.
    pub(super) confirm_at: Option<Instant>,
    /// Jobs whose message the broker does not have, with their queues.
    pub(super) unconfirmed: Vec<(Uuid, String)>,
    /// Jobs whose message was delivered and that have not started, with their queues.
    pub(super) unstarted: Vec<(Uuid, String)>,
}

impl Upkeep {
    pub(super) fn confirmed(&mut self, id: Uuid, now: Instant) {
        self.confirmed.push(id);
        self.confirm_at.get_or_insert(now + CONFIRM_WITHIN);
    }
}

impl Upkeep {
    /// Does what is due.
    pub(super) async fn run(&mut self, deps: &Deps, memory: &mut Memory) {
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        if !unconfirmed.is_empty() {
            release(deps, memory, &unconfirmed, false).await;
        }
        let unstarted = std::mem::take(&mut self.unstarted);
        if !unstarted.is_empty() {
            release(deps, memory, &unstarted, true).await;
        }
        if self.confirm_at.is_some_and(|at| at <= Instant::now()) {
            self.confirm_at = None;
            note_confirmed(deps, memory, std::mem::take(&mut self.confirmed)).await;
        }
    }
}

/// Lets jobs wait again. A message that was delivered is not published for ever.
async fn release(deps: &Deps, memory: &mut Memory, jobs: &[(Uuid, String)], delivered: bool) {
    let ids: Vec<Uuid> = jobs.iter().map(|(id, _)| *id).collect();
    let now = (deps.clock)();
    let attempt = async {
        let txn = deps.database.begin().await?;
        let held = match delivered {
            true => store::jobs::job_undeliver_in_txn(&txn, &ids, MOST_UNSTARTED, now).await?,
            false => store::jobs::job_undispatch_in_txn(&txn, &ids).await.map(|_| 0)?,
        };
        txn.commit().await.map(|()| held)
    };
    match attempt.await {
        Ok(held) => {
            if held > 0 {
                tracing::warn!(jobs = held, "messages were delivered several times and never started; their jobs wait for a person");
            }
            memory.rows.forget(ids);
            jobs.iter().for_each(|(id, queue)| memory.state.released(queue, *id));
        }
        // The sweep finds them later.
        Err(error) => tracing::warn!(%error, jobs = ids.len(), "jobs without a message do not wait again yet"),
    }
}

async fn note_confirmed(deps: &Deps, memory: &mut Memory, mut ids: Vec<Uuid>) {
    // A job that was started meanwhile needs no note: its start says that the message arrived.
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
        tracing::warn!(%error, jobs = ids.len(), "confirmations not noted; the messages may be published twice");
    }
    memory.rows.forget(ids);
}

/// Reads again what waits and runs, and takes in the workers, when they were read.
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
                release(deps, memory, &stranded, false).await;
            }
        }
        Err(error) => tracing::warn!(%error, "what waits and runs could not be read"),
    }
}
