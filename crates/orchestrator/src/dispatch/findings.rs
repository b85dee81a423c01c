use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

/// What a selection found out about queues.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Queues that may have candidates since this transaction.
    pub(crate) candidate_queues: BTreeSet<String>,
    /// Queues in which a limit holds jobs back.
    pub(crate) held_back: BTreeSet<String>,
    /// Queues without a job that could be dispatched.
    pub(crate) exhausted: Vec<String>,
    /// Of these, the ones that were read to their end.
    pub(crate) empty: Vec<String>,
    /// When a rate limit that held jobs back admits one.
    pub(crate) next_start_at: Option<DateTime<Utc>>,
}
