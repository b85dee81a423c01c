use std::{sync::Arc, time::Duration};

use broker::{Broker, Delivery};
use chrono::{DateTime, Utc};
use messages::JobMessage;
use runtime::Failure;
use store::{Database, dead_letters::DeadLetter};
use uuid::Uuid;

use crate::{
    Orchestrator,
    writer::{Change, Writer},
};

/// Characters of a message that are kept.
const MOST_BODY: usize = 64 * 1024;

/// Takes messages from the dead-letter queue: keeps each, and fails the job it names when that waits for it.
pub(crate) async fn run(orchestrator: Orchestrator, broker: Arc<Broker>, queue: String) {
    let Orchestrator { database, writer, clock, shutdown, .. } = orchestrator;
    let mut consumer = broker.consume(&queue, 50);
    loop {
        let delivery = tokio::select! {
            () = shutdown.wait() => return,
            delivery = consumer.next() => delivery,
        };
        let Some(delivery) = delivery else { return };
        match take(&database, &writer, &delivery, clock()).await {
            // A lost ack brings the message again, which changes nothing.
            Ok(()) => drop(delivery.ack().await),
            Err(failure) => {
                tracing::warn!(error = %failure, "dead letter not kept, trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
                drop(delivery.requeue().await);
            }
        }
    }
}

async fn take(database: &Database, writer: &Writer, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), Failure> {
    let message = serde_json::from_slice::<JobMessage>(&delivery.body).ok();
    let job_id: Option<Uuid> = message.and_then(|message| message.job_id.parse().ok());
    let (queue_name, reason) =
        delivery.death.as_ref().map_or_else(|| (String::new(), "unknown".to_owned()), |death| (death.queue.clone(), death.reason.clone()));
    tracing::warn!(queue.name = queue_name, job.id = ?job_id, reason, "message was dead-lettered");
    let text = String::from_utf8_lossy(&delivery.body).replace('\0', "\u{fffd}");
    let body = text.chars().take(MOST_BODY).collect();
    if let Some(job_id) = job_id {
        match writer.change(job_id, Change::DeadLetter { reason: reason.clone() }).await {
            Ok(_) | Err(Failure::NotFound(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    let letter = DeadLetter { id: Uuid::now_v7(), queue_name, job_id, reason, body, received_at: now };
    store::dead_letters::dead_letter_insert(database, &letter).await?;
    Ok(())
}
