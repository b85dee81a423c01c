//! Presence of workers. Contacts that arrive together are written in one statement, and a recent contact makes another one redundant, so
//! that many idle workers cost little.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use domain::ids::WorkerId;
use runtime::{Clock, Failure, Shutdown, Tasks};
use store::{
    Database, Error,
    workers::{Seen, Vitals, worker_note_seen},
};
use tokio::sync::{mpsc, oneshot};

/// Maximum number of contacts in a statement.
const MOST: usize = 1024;
/// Maximum delay of a write that no request waits for.
const WRITE_WITHIN: Duration = Duration::from_secs(1);

/// Records contacts of workers.
#[derive(Clone)]
pub(crate) struct Presence {
    signs: mpsc::UnboundedSender<Sign>,
    /// Last recorded contact of each worker since its last sign-off.
    noted: Arc<Mutex<HashMap<WorkerId, Instant>>>,
    /// Time for which a contact makes another one redundant.
    fresh_for: Duration,
}

struct Sign {
    seen: Seen,
    /// Receives whether the worker exists.
    reply: Option<oneshot::Sender<Result<bool, Failure>>>,
}

impl Presence {
    /// Starts the writing task, which ends after `shutdown`. A worker without a contact for `lease` is lost.
    pub(crate) fn start(database: Database, lease: Duration, tasks: &Tasks, shutdown: Shutdown) -> Self {
        let (signs, receiver) = mpsc::unbounded_channel();
        tasks.spawn_once("orchestrator.signs_of_life", write_signs(database, receiver, shutdown));
        Self { signs, noted: Arc::default(), fresh_for: lease / 3 }
    }

    /// Records a heartbeat; `false` when there is no such worker. A heartbeat after a sign-off does not revive the worker.
    pub(crate) async fn heartbeat(&self, id: WorkerId, vitals: Vitals, now: DateTime<Utc>) -> Result<bool, Failure> {
        self.write(Seen { id, at: now, vitals: Some(vitals), revives: false }).await
    }

    /// Records a claim, which revives a worker that signed off; `false` when there is no such worker.
    pub(crate) async fn claims(&self, id: WorkerId, now: DateTime<Utc>) -> Result<bool, Failure> {
        if self.noted().get(&id).is_some_and(|at| at.elapsed() < self.fresh_for) {
            return Ok(true);
        }
        let lives = self.write(Seen { id, at: now, vitals: None, revives: true }).await?;
        if lives {
            self.noted().insert(id, Instant::now());
        }
        Ok(lives)
    }

    /// Records contacts while it is polled, because the worker's claim waits.
    pub(crate) async fn keep(&self, id: WorkerId, clock: &Clock) {
        loop {
            tokio::time::sleep(self.fresh_for).await;
            let is_fresh = self.noted().get(&id).is_some_and(|at| at.elapsed() < self.fresh_for);
            if !is_fresh {
                self.noted().insert(id, Instant::now());
                let seen = Seen { id, at: clock(), vitals: None, revives: false };
                // The receiving task ends with the process.
                let _ = self.signs.send(Sign { seen, reply: None });
            }
        }
    }

    /// Forgets a worker that signed off or is gone.
    pub(crate) fn forget(&self, id: WorkerId) {
        self.noted().remove(&id);
    }

    async fn write(&self, seen: Seen) -> Result<bool, Failure> {
        let (reply, answer) = oneshot::channel();
        let ended = || Failure::Unavailable("the hub stops".to_owned());
        self.signs.send(Sign { seen, reply: Some(reply) }).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<WorkerId, Instant>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write_signs(database: Database, mut receiver: mpsc::UnboundedReceiver<Sign>, shutdown: Shutdown) {
    let (mut signs, mut write_at): (Vec<Sign>, Option<tokio::time::Instant>) = (Vec::new(), None);
    loop {
        let due = async {
            match write_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let is_due = tokio::select! {
            biased;
            received = receiver.recv_many(&mut signs, MOST) => match received {
                0 => return,
                _ => false,
            },
            () = due => true,
            () = shutdown.wait(), if signs.is_empty() && receiver.is_empty() => return,
        };
        if is_due || signs.len() >= MOST || signs.iter().any(|sign| sign.reply.is_some()) {
            write_at = None;
            write(&database, std::mem::take(&mut signs)).await;
        } else {
            write_at.get_or_insert_with(|| tokio::time::Instant::now() + WRITE_WITHIN);
        }
    }
}

async fn write(database: &Database, signs: Vec<Sign>) {
    let seen: Vec<Seen> = signs.iter().map(|sign| sign.seen.clone()).collect();
    let outcome = worker_note_seen(database, &seen).await;
    if let Err(error) = &outcome {
        tracing::debug!(%error, workers = seen.len(), "contacts of workers were not written");
    }
    for sign in signs {
        let Some(reply) = sign.reply else { continue };
        // The requester may be gone.
        let _ = reply.send(match &outcome {
            Ok(unknown) => Ok(!unknown.contains(&sign.seen.id)),
            Err(Error::Unavailable(text) | Error::Conflict(text)) => Err(Failure::Unavailable(text.clone())),
            Err(other) => Err(Failure::Internal(other.to_string())),
        });
    }
}
