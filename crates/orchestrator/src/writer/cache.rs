//! Rows that the writer remembers, so that the next step of a job costs no read.
//!
//! A remembered row may be outdated: another replica may have written it. So nothing is decided by one without writing it, and its write is
//! refused when the version in the database is another one. What was refused is tried again with rows that are read and locked.

use std::collections::HashMap;

use domain::ids::JobId;
use store::jobs::JobRow;

/// Rows remembered at most. When there are more, this replica no longer learns what becomes of them.
const MOST: usize = 8192;

/// Rows of jobs on their way to a worker or held by one, as this replica wrote them last.
#[derive(Default)]
pub(super) struct RowCache(HashMap<JobId, JobRow>);

impl RowCache {
    pub(super) fn get(&self, id: JobId) -> Option<&JobRow> {
        self.0.get(&id)
    }

    /// A row as it was committed.
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
