use std::sync::Arc;

use broker::Broker;
use bytes::Bytes;
use domain::ids::{JobId, WorkerId};
use messages::{WorkerControl, worker_control::Command};
use runtime::{Shutdown, Tasks};
use tokio::sync::mpsc;

/// Maximum number of buffered messages; more are dropped, because the next heartbeat carries the same information.
const MOST_WAITING: usize = 10_000;

/// A command to a worker, about a job or the worker itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ControlMessage {
    pub(crate) worker_id: WorkerId,
    pub(crate) command: Command,
    pub(crate) job_id: Option<JobId>,
}

/// Publishes commands to workers at once, instead of with the next heartbeat. No effect without a broker.
#[derive(Clone)]
pub(crate) struct ControlMessages(Option<mpsc::Sender<(WorkerId, WorkerControl)>>);

impl ControlMessages {
    pub(crate) fn start(broker: Option<Arc<Broker>>, tasks: &Tasks) -> Self {
        let Some(broker) = broker else { return Self(None) };
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        tasks.spawn_outlet("orchestrator.control", |drain| send_all(broker, receiver, drain));
        Self(Some(sender))
    }

    /// Publishes a message without waiting. A worker that is not connected to the broker does not receive it.
    pub(crate) fn send(&self, message: ControlMessage) {
        let ControlMessage { worker_id, command, job_id } = message;
        let Some(sender) = &self.0 else { return };
        let job_id = job_id.map(|id| id.to_string()).unwrap_or_default();
        if sender.try_send((worker_id, WorkerControl { command: command.into(), job_id })).is_err() {
            tracing::warn!(worker.id = %worker_id, ?command, "control message dropped; the next heartbeat delivers it");
        }
    }
}

/// Control queue of a worker.
fn control_queue(worker_id: WorkerId) -> String {
    format!("regente.control.{worker_id}")
}

async fn send_all(broker: Arc<Broker>, mut receiver: mpsc::Receiver<(WorkerId, WorkerControl)>, drain: Shutdown) {
    loop {
        let next = tokio::select! {
            biased;
            next = receiver.recv() => next,
            () = drain.wait() => return,
        };
        let Some((worker_id, message)) = next else { return };
        let Ok(body) = serde_json::to_vec(&message) else { continue };
        if let Err(error) = broker.publish_transient(&control_queue(worker_id), Bytes::from(body)).await {
            tracing::debug!(%error, worker.id = %worker_id, "control message not sent");
        }
    }
}
