use super::{Job, Outcome, Refusal, Status};

/// What `cancel` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The job waited and ended at once.
    Canceled,
    /// The job runs: its worker is asked to stop it.
    Requested,
}

impl Job {
    /// Stops the job: at once when it waits, by asking its worker when it runs.
    ///
    /// # Errors
    /// [`Refusal::WrongState`] when it has ended.
    pub fn cancel(&mut self) -> Result<CancelOutcome, Refusal> {
        match self.status {
            Status::Pending => {
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
    /// [`Refusal::WrongState`] in every other state.
    pub fn pause(&mut self) -> Result<(), Refusal> {
        self.swap(Status::Running, Status::Paused)
    }

    /// Marks a paused job as running.
    ///
    /// # Errors
    /// [`Refusal::WrongState`] in every other state.
    pub fn resume(&mut self) -> Result<(), Refusal> {
        self.swap(Status::Paused, Status::Running)
    }

    fn swap(&mut self, from: Status, to: Status) -> Result<(), Refusal> {
        if self.status != from {
            return Err(Refusal::WrongState(self.status));
        }
        self.status = to;
        Ok(())
    }
}
