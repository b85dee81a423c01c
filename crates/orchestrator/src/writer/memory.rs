//! What the writer remembers between transactions. All of it is a cache of the database.

use super::cache::RowCache;
use crate::dispatch::DispatchState;

/// A transaction is planned by it and does not change it; what is committed is taken in at once, before the next one.
#[derive(Default)]
pub(crate) struct Memory {
    /// Where jobs are, and who waits for them.
    pub(crate) state: DispatchState,
    /// Rows of jobs on their way or held.
    pub(crate) rows: RowCache,
}
