//! Sets of jobs, counted by queue.

use std::collections::HashMap;

use domain::ids::JobId;

/// Jobs by queue.
#[derive(Default)]
pub(super) struct Places {
    queues: HashMap<JobId, String>,
    counts: HashMap<String, usize>,
}

impl Places {
    pub(super) fn insert(&mut self, queue: &str, id: JobId) {
        if self.queues.insert(id, queue.to_owned()).is_none() {
            *self.counts.entry(queue.to_owned()).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, id: JobId) {
        let Some(queue) = self.queues.remove(&id) else { return };
        if let Some(count) = self.counts.get_mut(&queue) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&queue);
            }
        }
    }

    pub(super) fn contains(&self, id: JobId) -> bool {
        self.queues.contains_key(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&JobId, &String)> {
        self.queues.iter()
    }

    /// Number of jobs in this queue.
    pub(super) fn count(&self, queue: &str) -> usize {
        self.counts.get(queue).copied().unwrap_or(0)
    }
}

impl FromIterator<(JobId, String)> for Places {
    fn from_iter<I: IntoIterator<Item = (JobId, String)>>(jobs: I) -> Self {
        let mut places = Self::default();
        for (id, queue) in jobs {
            places.insert(&queue, id);
        }
        places
    }
}
