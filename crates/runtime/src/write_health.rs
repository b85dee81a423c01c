use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether the database takes writes, as whoever wrote last has found. A full disk is read from as ever: a sign of life does not show it.
/// Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct WriteHealth(Arc<AtomicBool>);

impl WriteHealth {
    /// A write was committed.
    pub fn worked(&self) {
        if self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed) {
            tracing::info!("the database takes writes again");
        }
    }

    /// A write failed. That counts unless it was for what was to be written.
    pub fn failed(&self, error: &store::Error) {
        let concerned = matches!(error, store::Error::Unavailable(_) | store::Error::Conflict(_));
        if concerned && !self.0.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the database takes no writes; nothing is accepted until it does");
        }
    }

    /// Whether the last write failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
