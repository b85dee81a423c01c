use crate::ids::WorkerId;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Job, Refusal, Status};

/// The exclusive right of one worker to one running job.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    /// Fencing token, UUID v7: a later lease has a greater token. Only its bearer may change the job.
    pub token: Uuid,
    /// The registered worker that holds it; `None`: a foreign worker, which is identified by the job's id alone.
    pub worker_id: Option<WorkerId>,
    /// When it expires unless it is renewed.
    pub expires_at: DateTime<Utc>,
}

/// The caller of a command about a job. A foreign worker sends neither id nor token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The registered worker.
    pub worker_id: Option<WorkerId>,
    /// The lease token that `start` returned to it.
    pub lease_token: Option<Uuid>,
}

impl Caller {
    /// Whether this caller holds `lease`: by token if it sent one, else by worker.
    #[must_use]
    pub fn holds(&self, lease: &Lease) -> bool {
        match (self.lease_token, self.worker_id) {
            (Some(token), _) => token == lease.token,
            (None, worker_id) => worker_id == lease.worker_id,
        }
    }
}

impl Job {
    /// Checks that `caller` may report on this job: by its lease token if it sent one, else by the job's id alone.
    ///
    /// # Errors
    /// [`Refusal::StaleLease`] for a token that is not the lease's.
    pub fn authorise(&self, caller: &Caller) -> Result<(), Refusal> {
        match (caller.lease_token, &self.lease) {
            (Some(token), Some(lease)) if token != lease.token => Err(Refusal::StaleLease),
            (Some(_), None) => Err(Refusal::StaleLease),
            _ => Ok(()),
        }
    }

    /// Renews the lease of a held job to `lease_for` from now.
    ///
    /// # Errors
    /// [`Refusal::StaleLease`] for a caller that does not hold it, [`Refusal::WrongState`] for a job without a holder.
    pub fn renew(&mut self, caller: &Caller, lease_for: TimeDelta, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.authorise(caller)?;
        let status = self.status;
        match &mut self.lease {
            Some(lease) if status.is_held() => lease.expires_at = now + lease_for,
            _ => return Err(Refusal::WrongState(status)),
        }
        Ok(())
    }

    /// Whether the job is held by an expired lease.
    #[must_use]
    pub fn is_lost(&self, now: DateTime<Utc>) -> bool {
        matches!(self.status, Status::Running | Status::Paused) && self.lease.as_ref().is_none_or(|lease| lease.expires_at <= now)
    }
}
