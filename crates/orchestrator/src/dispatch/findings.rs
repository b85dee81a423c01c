use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

/// What a selection learnt about queues.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Queues that may have candidates since this transaction.
    pub(crate) candidate_queues: BTreeSet<String>,
    /// Queues with jobs that a limit blocks.
    pub(crate) held_back: BTreeSet<String>,
    /// Queues without a job that can be dispatched now.
    pub(crate) exhausted: Vec<String>,
    /// Of these, the queues whose backlog was read completely.
    pub(crate) empty: Vec<String>,
    /// When a rate limit that blocked jobs admits the next start.
    pub(crate) next_start_at: Option<DateTime<Utc>>,
}
