use chrono::{DateTime, Utc};

use super::{Job, Outcome, Refusal, Status};

/// What `cancel` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The job was pending, or its worker lost: it has ended.
    Canceled,
    /// The job is running: its worker is asked to stop it.
    Requested,
}

impl Job {
    /// Cancels the job: at once when it is pending or its worker is lost, otherwise through its worker.
    ///
    /// # Errors
    /// [`Refusal::WrongState`] when it has ended.
    pub fn cancel(&mut self, now: DateTime<Utc>) -> Result<CancelOutcome, Refusal> {
        match self.status {
            Status::Pending => {
                self.end(Outcome::Canceled);
                Ok(CancelOutcome::Canceled)
            }
            Status::Running | Status::Paused if self.is_lost(now) => {
                self.end(Outcome::Canceled);
                Ok(CancelOutcome::Canceled)
            }
            Status::Running | Status::Paused => {
                self.cancellation_requested = true;
                Ok(CancelOutcome::Requested)
            }
            Status::Completed | Status::CompletedNoInvoices | Status::Failed | Status::Canceled => Err(Refusal::WrongState(self.status)),
        }
    }

    /// Marks a running job as paused.
    ///
    /// # Errors
    /// [`Refusal::WrongState`] in every other state, [`Refusal::WorkerLost`] when the lease has expired, [`Refusal::NotControllable`] when
    /// a foreign worker holds the job.
    pub fn pause(&mut self, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.swap(Status::Running, Status::Paused, now)
    }

    /// Marks a paused job as running.
    ///
    /// # Errors
    /// As [`Job::pause`].
    pub fn resume(&mut self, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.swap(Status::Paused, Status::Running, now)
    }

    fn swap(&mut self, from: Status, to: Status, now: DateTime<Utc>) -> Result<(), Refusal> {
        if self.status != from {
            return Err(Refusal::WrongState(self.status));
        }
        if self.is_lost(now) {
            return Err(Refusal::WorkerLost);
        }
        if self.lease.as_ref().is_some_and(|lease| lease.worker_id.is_none()) {
            return Err(Refusal::NotControllable);
        }
        self.status = to;
        Ok(())
    }
}
