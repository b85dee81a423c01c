//! Notices to the writer that nobody waits for. They are handled with the next transaction. The channel is below both sides, so that
//! senders do not import the writer.

use chrono::{DateTime, Utc};
use domain::ids::JobId;
use store::workers::Worker;
use tokio::sync::mpsc;

/// A notice to the writer.
pub(crate) enum Notice {
    /// The broker has confirmed the message of this job.
    Confirmed(JobId),
    /// The broker does not have the message of this job in this queue.
    Unconfirmed(JobId, String),
    /// The broker no longer has the message of this job.
    Lost(LostMessage),
    /// These queues may have jobs to dispatch.
    Candidates(Vec<String>),
    /// The client of this claim is gone.
    ClaimAbandoned(u64),
    /// A worker changed.
    Worker(Box<Worker>),
    /// Refresh the dispatch state; with the workers, if they were read.
    Refresh(Option<Vec<Worker>>),
}

/// A message that the broker no longer has, of a job that has not started.
pub(crate) struct LostMessage {
    pub(crate) job_id: JobId,
    pub(crate) queue: String,
    /// The job was dispatched before this time. If it was dispatched again since, it has a new message.
    pub(crate) before: DateTime<Utc>,
    /// Whether a consumer received it.
    pub(crate) delivered: bool,
}

/// Sends notices to the writer. Clones share the channel.
#[derive(Clone)]
pub(crate) struct Notices(mpsc::UnboundedSender<Notice>);

/// A channel for notices. Unbounded, because every source of notices is bounded.
pub(crate) fn channel() -> (Notices, mpsc::UnboundedReceiver<Notice>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Notices(sender), receiver)
}

impl Notices {
    pub(crate) fn send(&self, notice: Notice) {
        // The writer ends with the process; the next start reads the database.
        let _ = self.0.send(notice);
    }
}
