//! What the parts of the orchestrator let the writer know and nobody waits for. Notices ride along with the next transaction. The channel
//! stands below both sides, so that whoever has news does not import the writer.

use chrono::{DateTime, Utc};
use domain::ids::JobId;
use store::workers::Worker;
use tokio::sync::mpsc;

/// News for the writer.
pub(crate) enum Notice {
    /// The broker has confirmed the message of this job.
    Confirmed(JobId),
    /// The broker does not have the message of this job in this queue.
    Unconfirmed(JobId, String),
    /// The broker no longer has the message of this job.
    Lost(LostMessage),
    /// These queues may have jobs to dispatch.
    Candidates(Vec<String>),
    /// Whoever made this claim went away.
    ClaimAbandoned(u64),
    /// How a worker is now.
    Worker(Box<Worker>),
    /// Read again what waits and runs; with the workers, when they were read.
    Refresh(Option<Vec<Worker>>),
}

/// A message that the broker no longer has, of a job that has not started.
pub(crate) struct LostMessage {
    pub(crate) job_id: JobId,
    pub(crate) queue: String,
    /// The job was dispatched before this moment. One that was dispatched anew since has another message.
    pub(crate) before: DateTime<Utc>,
    /// Somebody took it.
    pub(crate) delivered: bool,
}

/// Sends notices to the writer. Clones send to the same one.
#[derive(Clone)]
pub(crate) struct Notices(mpsc::UnboundedSender<Notice>);

/// A channel for notices. Unbounded: each notice follows from something that is bounded itself.
pub(crate) fn channel() -> (Notices, mpsc::UnboundedReceiver<Notice>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Notices(sender), receiver)
}

impl Notices {
    pub(crate) fn send(&self, notice: Notice) {
        // The writer ends with the process; what it misses then, the next start reads from the database.
        let _ = self.0.send(notice);
    }
}
