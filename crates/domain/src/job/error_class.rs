use serde::{Deserialize, Serialize};

/// Why a job failed, for retry policies and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorClass {
    /// The robot's program ended with an error of its own.
    RobotError,
    /// The program ran longer than its limit.
    JobTimeout,
    /// The job waited longer than it may.
    QueueTimeout,
    /// The worker's lease ran out without a word from it.
    WorkerLost,
    /// The job's message ended in the dead-letter queue.
    DeadLettered,
    /// The program could not be started.
    LaunchFailed,
    /// The program was ended by a signal that nobody here sent.
    Killed,
    /// Nothing known.
    #[serde(other)]
    Unknown,
}

impl ErrorClass {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::RobotError,
        Self::JobTimeout,
        Self::QueueTimeout,
        Self::WorkerLost,
        Self::DeadLettered,
        Self::LaunchFailed,
        Self::Killed,
        Self::Unknown,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RobotError => "ROBOT_ERROR",
            Self::JobTimeout => "JOB_TIMEOUT",
            Self::QueueTimeout => "QUEUE_TIMEOUT",
            Self::WorkerLost => "WORKER_LOST",
            Self::DeadLettered => "DEAD_LETTERED",
            Self::LaunchFailed => "LAUNCH_FAILED",
            Self::Killed => "KILLED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Reads the name on the wire; any other word is [`ErrorClass::Unknown`].
    #[must_use]
    pub fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|class| class.as_str() == name).unwrap_or(Self::Unknown)
    }
}
