use chrono::{DateTime, Utc};

use super::{Caller, ErrorClass, Job, Refusal, Status};

/// How a job ended, when it ended badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Class, for the retry policy.
    pub class: ErrorClass,
    /// What happened, for people.
    pub message: String,
}

/// What a worker says at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Ended well.
    Completed,
    /// Ended well, nothing to process.
    CompletedNoInvoices,
    /// Ended badly.
    Failed(Failure),
    /// Stopped on request.
    Canceled,
}

/// What `finish` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishOutcome {
    /// The job ended now.
    Ended,
    /// It had ended before: the first result stays, this one is kept as an event.
    Late,
}

impl Job {
    /// Ends the job with what its worker reports. A job that waits is ended by a caller without a lease: its `start` was not heard, or it
    /// refused the job before it, and its end is the truth all the same.
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

    /// What a worker stopped without being asked to was killed, by whoever stopped the worker: that is for the retry policy to decide.
    fn judged(&self, outcome: Outcome) -> Outcome {
        if outcome != Outcome::Canceled || self.cancellation_requested {
            return outcome;
        }
        let message = "the worker stopped the job, which nobody had asked for".to_owned();
        Outcome::Failed(Failure { class: ErrorClass::Killed, message })
    }

    /// Ends a held job whose lease has ended: as canceled when that was asked for, else as failed; `false` when there is nothing to do.
    pub fn expire(&mut self, now: DateTime<Utc>) -> bool {
        let lost = self.is_lost(now);
        if lost && self.cancellation_requested {
            self.end(Outcome::Canceled);
        } else if lost {
            let message = "the worker stopped reporting and its lease ended".to_owned();
            self.end(Outcome::Failed(Failure { class: ErrorClass::WorkerLost, message }));
        }
        lost
    }

    /// Fails a held job whose time is up, whoever holds it; `false` when there is nothing to do.
    pub fn time_out(&mut self) -> bool {
        let concerned = self.status.is_held();
        if concerned {
            let message = "the job ran longer than its limit and its worker did not end it".to_owned();
            self.end(Outcome::Failed(Failure { class: ErrorClass::JobTimeout, message }));
        }
        concerned
    }

    /// Fails a job that waited longer than it may; `false` when there is nothing to do.
    pub fn give_up(&mut self) -> bool {
        let concerned = self.status == Status::Pending;
        if concerned {
            let message = "the job did not start within the time it may wait".to_owned();
            self.end(Outcome::Failed(Failure { class: ErrorClass::QueueTimeout, message }));
        }
        concerned
    }

    /// Fails a job whose message ended in the dead-letter queue: one that waits for it, or one of a foreign worker, which gave the message
    /// up. A registered worker's job goes on, its lease decides; `false` then, and for a job that has ended.
    pub fn dead_letter(&mut self, reason: &str) -> bool {
        let foreign = self.lease.as_ref().is_none_or(|lease| lease.worker_id.is_none());
        let concerned = !self.status.is_terminal() && foreign;
        if concerned {
            let message = format!("the job's message ended in the dead-letter queue ({reason})");
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
