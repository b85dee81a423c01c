//! The control queue: what the hub wants at once.

use std::sync::Arc;

use broker::Broker;
use uuid::Uuid;

use super::core::Core;

/// Its messages are small and taken at once.
const PREFETCH: u16 = 50;

/// Name of a worker's control queue.
fn queue_name(worker: Uuid) -> String {
    format!("regente.control.{worker}")
}

/// Obeys the control queue of this worker until the agent ends. A message that gets lost is made good by the next heartbeat.
pub(super) async fn run(core: Arc<Core>, broker: Broker) {
    let mut worker_id = core.watch_worker_id();
    loop {
        let worker = *worker_id.borrow_and_update();
        let mut consumer = broker.consume_own(&queue_name(worker), PREFETCH);
        loop {
            let delivery = tokio::select! {
                () = core.aborted() => return,
                changed = worker_id.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                delivery = consumer.next() => delivery,
            };
            let Some(delivery) = delivery else { return };
            if let Err(reason) = core.control(&delivery.body) {
                tracing::warn!(reason, "a control message is not understood; the next heartbeat says what it meant");
            }
            if let Err(error) = delivery.ack().await {
                tracing::debug!(%error, "a control message could not be settled");
            }
        }
    }
}
