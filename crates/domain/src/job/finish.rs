use chrono::{DateTime, Utc};

use super::{Caller, ErrorClass, Job, Refusal, Status};

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Class, for the retry policy.
    pub class: ErrorClass,
    /// What happened, for people.
    pub message: String,
}

/// Result that a worker reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Succeeded.
    Completed,
    /// Succeeded; there was nothing to process.
    CompletedNoInvoices,
    /// Failed.
    Failed(Failure),
    /// Stopped on request.
    Canceled,
}

/// What `finish` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishOutcome {
    /// The job ended now.
    Ended,
    /// The job had ended before: its first result stays, this one is recorded as an event.
    Late,
}

impl Job {
    /// Ends the job with the outcome that its worker reports. A caller without a lease may end a pending job: either its `start` did not
    /// arrive, or it refused the job before `start`. The outcome is valid all the same.
    ///
    /// # Errors
    /// [`Refusal::StaleLease`] for a token that is not the lease's.
    pub fn finish(&mut self, caller: &Caller, outcome: Outcome) -> Result<FinishOutcome, Refusal> {
        self.authorise(caller)?;
        if self.status.is_terminal() {
            return Ok(FinishOutcome::Late);
        }
        self.end(self.judged(outcome));
        Ok(FinishOutcome::Ended)
    }

    /// A job that its worker canceled without a request was killed together with the worker: it fails, and the retry policy decides.
    fn judged(&self, outcome: Outcome) -> Outcome {
        if outcome != Outcome::Canceled || self.cancellation_requested {
            return outcome;
        }
        let message = "the worker stopped the job without a cancel request".to_owned();
        Outcome::Failed(Failure { class: ErrorClass::Killed, message })
    }

    /// Ends a held job whose lease has expired: as canceled if that was requested, else as failed. Returns `false` when the lease is valid.
    pub fn expire(&mut self, now: DateTime<Utc>) -> bool {
        let lost = self.is_lost(now);
        if lost && self.cancellation_requested {
            self.end(Outcome::Canceled);
        } else if lost {
            let message = "the worker sent no heartbeat and its lease expired".to_owned();
            self.end(Outcome::Failed(Failure { class: ErrorClass::WorkerLost, message }));
        }
        lost
    }

    /// Fails a held job that exceeded its time limit. Returns `false` when no worker holds it.
    pub fn time_out(&mut self) -> bool {
        let concerned = self.status.is_held();
        if concerned {
            let message = "the job exceeded its time limit and its worker did not end it".to_owned();
            self.end(Outcome::Failed(Failure { class: ErrorClass::JobTimeout, message }));
        }
        concerned
    }

    /// Fails a pending job that exceeded its queue time-out. Returns `false` when it is not pending.
    pub fn give_up(&mut self) -> bool {
        let concerned = self.status == Status::Pending;
        if concerned {
            let message = "the job did not start within its queue time-out".to_owned();
            self.end(Outcome::Failed(Failure { class: ErrorClass::QueueTimeout, message }));
        }
        concerned
    }

    /// Fails a job whose message was dead-lettered, if it is pending or held by a foreign worker, which rejected the message. Returns
    /// `false` for a job of a registered worker, whose lease decides, and for a job that has ended.
    pub fn dead_letter(&mut self, reason: &str) -> bool {
        let foreign = self.lease.as_ref().is_none_or(|lease| lease.worker_id.is_none());
        let concerned = !self.status.is_terminal() && foreign;
        if concerned {
            let message = format!("the job's message was dead-lettered ({reason})");
            self.end(Outcome::Failed(Failure { class: ErrorClass::DeadLettered, message }));
        }
        concerned
    }

    pub(super) fn end(&mut self, outcome: Outcome) {
        let (status, failure) = match outcome {
            Outcome::Completed => (Status::Completed, None),
            Outcome::CompletedNoInvoices => (Status::CompletedNoInvoices, None),
            Outcome::Failed(failure) => (Status::Failed, Some(failure)),
            Outcome::Canceled => (Status::Canceled, None),
        };
        self.status = status;
        self.failure = failure;
    }
}
