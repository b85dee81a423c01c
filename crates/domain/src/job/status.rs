use crate::wire::wire_names;

wire_names! {
    /// Status of a job.
    pub enum Status as "JobStatus" {
        /// Accepted; not started yet.
        Pending = "pending",
        /// A worker holds its lease.
        Running = "running",
        /// A worker holds its lease; its processes are suspended.
        Paused = "paused",
        /// Succeeded.
        Completed = "completed",
        /// Succeeded; there was nothing to process ("completed, no data").
        CompletedNoInvoices = "completed_no_invoices",
        /// Failed; the error class says why.
        Failed = "failed",
        /// Canceled on request.
        Canceled = "canceled",
    }
}

impl Status {
    /// Whether the job has ended; the status is then final.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::Running | Self::Paused => false,
            Self::Completed | Self::CompletedNoInvoices | Self::Failed | Self::Canceled => true,
        }
    }

    /// Whether a worker holds the job's lease.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

wire_names! {
    /// What created a job.
    pub enum Trigger as "JobTrigger" {
        /// A person, in the web UI or on the command line.
        Manual = "MANUAL",
        /// A program, through the API.
        Api = "API",
        /// A schedule.
        Scheduled = "SCHEDULED",
        /// The retry policy, or a person after a failure; `retry_of` is set.
        Retry = "RETRY",
        /// A form in the portal.
        Portal = "PORTAL",
        /// The end of another job.
        Chain = "CHAIN",
    }
}
