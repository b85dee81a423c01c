use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts this replica's changes of workers.
#[derive(Default)]
pub(crate) struct Counter {
    made: AtomicU64,
    nudge: Notify,
}

impl Counter {
    /// Counts a change that other replicas must read.
    pub(crate) fn note(&self) {
        self.made.fetch_add(1, Ordering::AcqRel);
        self.nudge.notify_one();
    }

    /// Number of changes.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Acquire)
    }

    /// Waits for the next change. Cancel-safe.
    pub(super) async fn made_another(&self) {
        self.nudge.notified().await;
    }
}
