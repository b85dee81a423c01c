//! The only writer of job rows. Every change of a job goes through one task per process (group commit): commands that arrive during a
//! transaction share the next one, and each is answered after the commit with its own outcome. One commit for many jobs is what makes the
//! hub fast.
//!
//! A [`plan`] decides, without a database, what commands lead to; [`commit`] writes it; [`run`] performs the effects. Invariants:
//!
//! - No answer and no effect before the commit: messages, events and assignments of a failed transaction are dropped with it.
//! - A bad row fails alone: a batch that the database refuses is retried in halves.
//! - An idle writer commits a single request at once: no timer collects requests.

mod cache;
mod command;
mod commit;
mod deps;
mod job_metrics;
mod memory;
mod plan;
mod recording;
mod run;
mod upkeep;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use auth::Principal;
use domain::ids::JobId;
use runtime::Failure;
use tokio::sync::{mpsc, oneshot};

use self::command::{Command, Done, Envelope, Reply, Request};
pub(crate) use self::{
    command::{Action, Change, Changed, Control, Finish, Inserted, Lines},
    deps::Deps,
    job_metrics::JobMetrics,
    plan::{LeaseTimes, differs},
    recording::{Recording, Requested},
    run::start,
};
use crate::{
    dispatch::Claim,
    notices::{Notice, Notices},
};

/// Sends commands to the writer. Clones share it.
#[derive(Clone)]
pub(crate) struct Writer {
    requests: mpsc::Sender<Request>,
    notices: Notices,
    claims: Arc<AtomicU64>,
}

/// Notifies the writer when the client of a claim is gone.
struct Waits<'a> {
    writer: &'a Writer,
    claim: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.writer.notices.send(Notice::ClaimAbandoned(self.claim));
    }
}

impl Writer {
    fn new(requests: mpsc::Sender<Request>, notices: Notices) -> Self {
        Self { requests, notices, claims: Arc::default() }
    }

    async fn send<T>(&self, request: Request, answer: oneshot::Receiver<Result<T, Failure>>) -> Result<T, Failure> {
        self.requests.try_send(request).map_err(|_| Failure::Overloaded)?;
        answer.await.map_err(|_| Failure::Unavailable("the writer ended before it answered".to_owned()))?
    }

    async fn ask(&self, command: Command) -> Reply {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Write(Envelope { command, reply }), answer).await
    }

    /// Accepts a job; what a person asked for is recorded with it.
    pub(crate) async fn insert(&self, new: store::jobs::NewJob, recording: Option<Recording>) -> Result<Inserted, Failure> {
        match self.ask(Command::Insert(Box::new(new), recording)).await? {
            Done::Inserted(inserted) => Ok(inserted),
            _ => Err(wrong_outcome()),
        }
    }

    pub(crate) async fn change(&self, job_id: JobId, change: Change) -> Result<Changed, Failure> {
        self.changed(Command::Change(job_id, Box::new(change), None)).await
    }

    /// [`Writer::change`] by a worker, within the limits of its credential.
    pub(crate) async fn report(&self, job_id: JobId, change: Change, principal: &Arc<Principal>) -> Result<Changed, Failure> {
        self.changed(Command::Change(job_id, Box::new(change), Some(principal.clone()))).await
    }

    async fn changed(&self, command: Command) -> Result<Changed, Failure> {
        match self.ask(command).await? {
            Done::Changed(changed) => Ok(changed),
            _ => Err(wrong_outcome()),
        }
    }

    pub(crate) async fn heartbeat(
        &self,
        request: api_types::HeartbeatRequest,
        principal: Arc<Principal>,
    ) -> Result<api_types::HeartbeatResponse, Failure> {
        match self.ask(Command::Heartbeat(request, principal)).await? {
            Done::Renewed(response) => Ok(response),
            _ => Err(wrong_outcome()),
        }
    }

    /// Waits up to `wait` for jobs; returns an empty list without any.
    pub(crate) async fn claim(&self, request: api_types::ClaimRequest, wait: Duration) -> Result<Vec<api_types::JobAssignment>, Failure> {
        let id = self.claims.fetch_add(1, Ordering::Relaxed);
        let waits = Waits { writer: self, claim: id };
        let (reply, answer) = oneshot::channel();
        let jobs = self.send(Request::Claim(Claim { id, request, wait }, reply), answer).await;
        // The claim was answered: no notice is needed.
        std::mem::forget(waits);
        jobs
    }
}

fn wrong_outcome() -> Failure {
    Failure::Internal("the writer answered another command".to_owned())
}
