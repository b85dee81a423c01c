use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether the database accepts writes, by the result of the last write. A ping does not show a full disk, because reads still succeed.
/// Clones share it.
#[derive(Clone, Debug, Default)]
pub struct WriteHealth(Arc<AtomicBool>);

impl WriteHealth {
    /// A write was committed.
    pub fn worked(&self) {
        if self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed) {
            tracing::info!("the database accepts writes again");
        }
    }

    /// Records a failed write, unless it failed because of the written values.
    pub fn failed(&self, error: &store::Error) {
        let concerned = matches!(error, store::Error::Unavailable(_) | store::Error::Conflict(_));
        if concerned && !self.0.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the database accepts no writes; requests fail until it does");
        }
    }

    /// Whether the last write failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
