use crate::wire::wire_names;

wire_names! {
    /// Where a job stands.
    pub enum Status as "JobStatus" {
        /// Accepted; it waits for a worker.
        Pending = "pending",
        /// A worker holds its lease.
        Running = "running",
        /// A worker holds its lease; its processes are suspended.
        Paused = "paused",
        /// Ended well.
        Completed = "completed",
        /// Ended well; there was nothing to process ("completed, no data").
        CompletedNoInvoices = "completed_no_invoices",
        /// Failed; the error class says why.
        Failed = "failed",
        /// Stopped by a person.
        Canceled = "canceled",
    }
}

impl Status {
    /// The job has ended: nothing changes it any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::Running | Self::Paused => false,
            Self::Completed | Self::CompletedNoInvoices | Self::Failed | Self::Canceled => true,
        }
    }

    /// A worker holds the job's lease.
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
        /// A program.
        Api = "API",
        /// A schedule.
        Scheduled = "SCHEDULED",
        /// The retry policy or a person after a failure; `retry_of` is set.
        Retry = "RETRY",
        /// A form in the portal.
        Portal = "PORTAL",
        /// The end of another job.
        Chain = "CHAIN",
    }
}
