use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts what this replica did to workers.
#[derive(Default)]
pub(crate) struct Counter {
    made: AtomicU64,
    nudge: Notify,
}

impl Counter {
    /// Other replicas are to read again who works.
    pub(crate) fn note(&self) {
        self.made.fetch_add(1, Ordering::AcqRel);
        self.nudge.notify_one();
    }

    /// How many there were.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Acquire)
    }

    /// Waits for the next one. Cancel-safe.
    pub(super) async fn made_another(&self) {
        self.nudge.notified().await;
    }
}
