//! The writer's state between transactions: only caches of the database, so that losing it costs time, never jobs.

use super::cache::RowCache;
use crate::dispatch::DispatchState;

/// A transaction reads it and does not change it; it is updated right after each commit.
#[derive(Default)]
pub(crate) struct Memory {
    /// Dispatch state.
    pub(crate) state: DispatchState,
    /// Rows of dispatched and held jobs.
    pub(crate) rows: RowCache,
}
