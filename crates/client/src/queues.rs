use api_types::{PauseRequest, Queue, QueueFilter};

use crate::{Call, Client, List};

impl Client {
    /// Queues by name.
    pub fn queues(&self, filter: &QueueFilter) -> List<Queue> {
        self.list(&["queues"], filter)
    }

    /// Pauses a queue: its jobs stay pending.
    pub fn queue_pause(&self, name: &str, request: &PauseRequest) -> Call<Queue> {
        self.post(&["queues", name, "pause"]).repeatable().json(request)
    }

    /// Ends a pause.
    pub fn queue_resume(&self, name: &str) -> Call<Queue> {
        self.post(&["queues", name, "resume"])
    }
}
