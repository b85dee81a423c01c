use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Caller, Job, Lease, Refusal, Status};

/// What `start` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOutcome {
    /// The job is running; the caller holds a new lease.
    Started,
    /// The caller held the job already; its lease was renewed.
    AlreadyHeld,
}

impl Job {
    /// Starts the job for `caller`, with a lease `token` that is valid for `lease_for`.
    ///
    /// # Errors
    /// [`Refusal::StaleLease`] for a token that is not the lease's, [`Refusal::LeaseHeld`] when another worker has it,
    /// [`Refusal::WrongState`] when it has ended.
    pub fn start(&mut self, caller: &Caller, token: Uuid, lease_for: TimeDelta, now: DateTime<Utc>) -> Result<StartOutcome, Refusal> {
        match self.status {
            Status::Pending => {
                self.status = Status::Running;
                self.lease = Some(Lease { token, worker_id: caller.worker_id, expires_at: now + lease_for });
                Ok(StartOutcome::Started)
            }
            Status::Running | Status::Paused => match &mut self.lease {
                Some(lease) if caller.holds(lease) => {
                    lease.expires_at = now + lease_for;
                    Ok(StartOutcome::AlreadyHeld)
                }
                _ if caller.lease_token.is_some() => Err(Refusal::StaleLease),
                _ => Err(Refusal::LeaseHeld),
            },
            Status::Completed | Status::CompletedNoInvoices | Status::Failed | Status::Canceled => Err(Refusal::WrongState(self.status)),
        }
    }
}
