//! The one writer of job rows. Every change of a job goes through one task per process: commands that come in while a transaction is under way
//! share the next one, and each is answered after its commit with its own outcome.
//!
//! A [`plan`] decides, without a database, what commands lead to; [`commit`] makes it last; [`run`] does what follows. What must hold:
//!
//! - No answer before the commit, and no effect either: messages, events and assignments are lost with the transaction.
//! - One bad row fails alone: what the database refuses is tried again in halves.
//! - An idle writer commits a lone request at once. There is no timer that gathers requests.

mod cache;
mod command;
mod commit;
mod deps;
mod memory;
mod plan;
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
    plan::{LeaseTimes, differs},
    run::start,
};
use crate::{
    dispatch::Claim,
    notices::{Notice, Notices},
};

/// Hands commands to the writer. Clones hand them to the same one.
#[derive(Clone)]
pub(crate) struct Writer {
    requests: mpsc::Sender<Request>,
    notices: Notices,
    claims: Arc<AtomicU64>,
}

/// Lets the writer know when whoever waits for a claim goes away.
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

    pub(crate) async fn insert(&self, new: store::jobs::NewJob) -> Result<Inserted, Failure> {
        match self.ask(Command::Insert(Box::new(new))).await? {
            Done::Inserted(inserted) => Ok(inserted),
            _ => Err(wrong_outcome()),
        }
    }

    pub(crate) async fn change(&self, job_id: JobId, change: Change) -> Result<Changed, Failure> {
        self.changed(Command::Change(job_id, Box::new(change), None)).await
    }

    /// [`Writer::change`] by a worker, as far as its credential reaches.
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

    /// Waits up to `wait` for jobs; none is an empty answer.
    pub(crate) async fn claim(&self, request: api_types::ClaimRequest, wait: Duration) -> Result<Vec<api_types::JobAssignment>, Failure> {
        let id = self.claims.fetch_add(1, Ordering::Relaxed);
        let waits = Waits { writer: self, claim: id };
        let (reply, answer) = oneshot::channel();
        let jobs = self.send(Request::Claim(Claim { id, request, wait }, reply), answer).await;
        // It was answered: there is nothing to say about it.
        std::mem::forget(waits);
        jobs
    }
}

fn wrong_outcome() -> Failure {
    Failure::Internal("the writer answered another command".to_owned())
}
