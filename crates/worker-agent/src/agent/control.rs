//! Consumes this worker's control queue.
//!
//! A control message only makes a change arrive sooner: every state that it can set is also in the answer to the next heartbeat. So a
//! message may be lost, repeated or unreadable without harm.

use std::sync::Arc;

use broker::Broker;
use domain::ids::WorkerId;

use super::core::Core;

/// Control messages are small and are handled at once.
const PREFETCH: u16 = 50;

/// Name of a worker's control queue.
fn queue_name(worker: WorkerId) -> String {
    format!("regente.control.{worker}")
}

/// Applies control messages until the agent ends.
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
            if let Err(reason) = core.apply_control(&delivery.body) {
                tracing::warn!(reason, "unreadable control message; the next heartbeat brings the state");
            }
            if let Err(error) = delivery.ack().await {
                tracing::debug!(%error, "a control message could not be settled");
            }
        }
    }
}
