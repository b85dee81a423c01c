//! Cached job rows, so that the next step of a job costs no read.
//!
//! A cached row may be outdated, because another replica may have written it. Therefore a decision that is based on a cached row must write
//! that row, and the write fails when the database has another version. The transaction is then repeated with rows that are read and
//! locked.

use std::collections::HashMap;

use domain::ids::JobId;
use store::jobs::JobRow;

/// Maximum number of rows. With more, old rows belong to jobs whose later steps other replicas handle.
const MOST: usize = 8192;

/// Rows of dispatched and held jobs, as this replica wrote them last.
#[derive(Default)]
pub(super) struct RowCache(HashMap<JobId, JobRow>);

impl RowCache {
    pub(super) fn get(&self, id: JobId) -> Option<&JobRow> {
        self.0.get(&id)
    }

    /// Caches a committed row.
    pub(super) fn committed(&mut self, row: JobRow) {
        if row.job.status.is_terminal() || row.dispatch_started_at.is_none() {
            self.0.remove(&row.job.id);
            return;
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(row.job.id, row);
    }

    pub(super) fn forget(&mut self, ids: impl IntoIterator<Item = JobId>) {
        ids.into_iter().for_each(|id| drop(self.0.remove(&id)));
    }
}
