use std::collections::HashMap;

use store::jobs::JobRow;
use uuid::Uuid;

/// Rows remembered at most. More than are on their way or held at once means that this hub no longer hears of them.
const MOST: usize = 8192;

/// Rows of jobs on their way to a worker or held by one, as this hub wrote them last. They may be outdated: a write of such a row finds out,
/// and nothing is decided by one without writing it.
#[derive(Default)]
pub(super) struct Known(HashMap<Uuid, JobRow>);

impl Known {
    pub(super) fn get(&self, id: Uuid) -> Option<&JobRow> {
        self.0.get(&id)
    }

    /// A row as it was committed.
    pub(super) fn wrote(&mut self, row: JobRow) {
        if row.job.status.is_terminal() || row.dispatch_started_at.is_none() {
            self.0.remove(&row.job.id);
            return;
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(row.job.id, row);
    }

    pub(super) fn forget(&mut self, ids: impl IntoIterator<Item = Uuid>) {
        ids.into_iter().for_each(|id| drop(self.0.remove(&id)));
    }
}
