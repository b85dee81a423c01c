use tokio::sync::broadcast;
use uuid::Uuid;

/// Tells whoever watches a job that it has new log lines, progress or a new state. What is missed is found by asking the database again.
#[derive(Clone)]
pub(crate) struct Live {
    changed: broadcast::Sender<Uuid>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { changed: broadcast::Sender::new(1024) }
    }

    pub(crate) fn tell(&self, job_id: Uuid) {
        if self.changed.receiver_count() > 0 {
            // No receiver is no fault: nobody watches.
            let _ = self.changed.send(job_id);
        }
    }

    pub(crate) fn watch(&self, job_id: Uuid) -> Watch {
        Watch { changed: self.changed.subscribe(), job_id }
    }
}

pub(crate) struct Watch {
    changed: broadcast::Receiver<Uuid>,
    job_id: Uuid,
}

impl Watch {
    /// Waits until the job may have changed. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        loop {
            match self.changed.recv().await {
                Ok(job_id) if job_id != self.job_id => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
