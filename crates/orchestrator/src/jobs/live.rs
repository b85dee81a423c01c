use uuid::Uuid;

use crate::watchers::{Watch, Watchers};

/// Notifies whoever follows a job that it has new log lines, progress or a new state. What is missed is found by reading the database again.
#[derive(Clone, Default)]
pub(crate) struct Live(Watchers);

impl Live {
    pub(crate) fn notify(&self, job_id: Uuid) {
        self.0.wake(job_id);
    }

    pub(crate) fn watch(&self, job_id: Uuid) -> Watch {
        self.0.watch(job_id)
    }
}
