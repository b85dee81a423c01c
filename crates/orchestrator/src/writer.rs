//! The one writer of job rows. Requests that come in while a transaction is under way share the next one; each is answered after its
//! commit with its own outcome, and one that the database refuses fails alone.

mod admission;
mod batch;
mod change;
mod claims;
mod command;
mod desk;
mod giveout;
mod known;
mod log;
mod overlap;
mod parked;
mod run;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use runtime::{Credential, Failure};
use store::workers::Worker;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

pub(crate) use self::{
    change::{Action, Change, Changed, Control, Finish, Lines},
    command::{Claim, Command, Inserted},
    run::{Deps, check_claim, start},
};

/// Hands commands to the writer.
#[derive(Clone)]
pub(crate) struct Writer {
    commands: mpsc::Sender<Envelope>,
    notes: mpsc::UnboundedSender<Note>,
    claims: Arc<AtomicU64>,
}

/// A command with the way back to whoever waits for its outcome.
pub(crate) struct Envelope {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Reply>,
}

pub(crate) type Reply = Result<Outcome, Failure>;

/// What a command led to.
pub(crate) enum Outcome {
    Inserted(Inserted),
    Changed(Changed),
    Claimed(Vec<api_types::JobAssignment>),
    Renewed(api_types::HeartbeatResponse),
}

/// News that nobody waits for; they ride along with the next transaction.
pub(crate) enum Note {
    /// The broker has these messages.
    Confirmed(Uuid),
    /// The broker does not have this message.
    Unconfirmed(Uuid, String),
    /// The broker does not have this message any more: somebody took it, and its job has not started.
    Unstarted(Uuid, String),
    /// Something may be due in these queues.
    Waiting(Vec<String>),
    /// Whoever made this claim does not wait any more.
    Abandoned(u64),
    /// How a worker is now.
    Worker(Box<Worker>),
    /// Read again what waits and runs; here is who works, when that was read.
    Refresh(Option<Vec<Worker>>),
}

/// Tells the writer when whoever waits for a claim goes away.
struct Waits<'a> {
    writer: &'a Writer,
    claim: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.writer.note(Note::Abandoned(self.claim));
    }
}

impl Writer {
    pub(crate) fn note(&self, note: Note) {
        // The writer ends with the process; what it does not hear then, the next start reads from the database.
        let _ = self.notes.send(note);
    }

    async fn ask(&self, command: Command) -> Reply {
        let (reply, answer) = oneshot::channel();
        self.commands.try_send(Envelope { command, reply }).map_err(|_| Failure::Overloaded)?;
        answer.await.map_err(|_| Failure::Unavailable("the writer ended before it answered".to_owned()))?
    }

    pub(crate) async fn insert(&self, new: store::jobs::NewJob) -> Result<Inserted, Failure> {
        match self.ask(Command::Insert(Box::new(new))).await? {
            Outcome::Inserted(inserted) => Ok(inserted),
            _ => Err(wrong_outcome()),
        }
    }

    pub(crate) async fn change(&self, job_id: Uuid, change: Change) -> Result<Changed, Failure> {
        self.changed(Command::Change(job_id, Box::new(change), None)).await
    }

    /// [`Writer::change`] by a worker, as far as its credential reaches.
    pub(crate) async fn report(&self, job_id: Uuid, change: Change, credential: &Arc<Credential>) -> Result<Changed, Failure> {
        self.changed(Command::Change(job_id, Box::new(change), Some(credential.clone()))).await
    }

    async fn changed(&self, command: Command) -> Result<Changed, Failure> {
        match self.ask(command).await? {
            Outcome::Changed(changed) => Ok(changed),
            _ => Err(wrong_outcome()),
        }
    }

    pub(crate) async fn heartbeat(
        &self,
        request: api_types::HeartbeatRequest,
        credential: Arc<Credential>,
    ) -> Result<api_types::HeartbeatResponse, Failure> {
        match self.ask(Command::Heartbeat(request, credential)).await? {
            Outcome::Renewed(response) => Ok(response),
            _ => Err(wrong_outcome()),
        }
    }

    /// Waits up to `wait` for jobs; none is an empty answer.
    pub(crate) async fn claim(&self, request: api_types::ClaimRequest, wait: Duration) -> Result<Vec<api_types::JobAssignment>, Failure> {
        let id = self.claims.fetch_add(1, Ordering::Relaxed);
        let waits = Waits { writer: self, claim: id };
        let reply = self.ask(Command::Claim(Claim { id, request, wait })).await;
        // It was answered: there is nothing to tell.
        std::mem::forget(waits);
        match reply? {
            Outcome::Claimed(jobs) => Ok(jobs),
            _ => Err(wrong_outcome()),
        }
    }
}

fn wrong_outcome() -> Failure {
    Failure::Internal("the writer answered another command".to_owned())
}
