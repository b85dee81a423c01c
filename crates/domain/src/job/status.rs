use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted, waits for a worker.
    Pending,
    /// A worker holds its lease.
    Running,
    /// Held by a worker, its processes stopped for a while.
    Paused,
    /// Ended well.
    Completed,
    /// Ended well, there was nothing to process ("completed, no data").
    CompletedNoInvoices,
    /// Ended badly; see the error class.
    Failed,
    /// Stopped by a person.
    Canceled,
}

impl Status {
    /// Every status, in the order of a job's life.
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::Running, Self::Paused, Self::Completed, Self::CompletedNoInvoices, Self::Failed, Self::Canceled];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::CompletedNoInvoices => "completed_no_invoices",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// Reads the name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

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

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// What created a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Trigger {
    /// A person, in the UI or on the command line.
    Manual,
    /// A program.
    Api,
    /// A schedule.
    Scheduled,
    /// The retry policy or a person after a failure; `retry_of` is set.
    Retry,
    /// A form in the portal.
    Portal,
    /// The end of another job.
    Chain,
}

impl Trigger {
    /// Every trigger.
    pub const ALL: [Self; 6] = [Self::Manual, Self::Api, Self::Scheduled, Self::Retry, Self::Portal, Self::Chain];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "MANUAL",
            Self::Api => "API",
            Self::Scheduled => "SCHEDULED",
            Self::Retry => "RETRY",
            Self::Portal => "PORTAL",
            Self::Chain => "CHAIN",
        }
    }

    /// Reads the name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == name)
    }
}
