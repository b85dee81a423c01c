use std::sync::Arc;

use anyhow::Result;
use domain::ids::JobId;
use futures_util::StreamExt as _;
use lapin::{
    Channel, Connection, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use messages::JobMessage;
use tokio::sync::{Semaphore, mpsc};

use super::{Steps, database::Database};
use crate::clock::now_us;

/// Runs every job of `queues`, at most `slots` at once over all of them.
///
/// RabbitMQ counts the prefetch per consumer, which alone would allow `slots` jobs of every queue. Its limit per channel (`global`) makes
/// the broker ask one process before each delivery, and a small prefetch per consumer would leave a lone busy queue waiting for
/// acknowledgements. So each consumer may fetch as much as with one queue, and permits limit the concurrent jobs. With one queue the
/// prefetch is the limit, and a permit is always free.
pub(super) async fn start(
    connection: &Connection,
    queues: &[String],
    slots: u16,
    (database, done): (Database, mpsc::UnboundedSender<Steps>),
) -> Result<()> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(slots, BasicQosOptions::default()).await?;
    let permits = Arc::new(Semaphore::new(slots.into()));
    for queue in queues {
        let queue = queue.as_str().into();
        let consumer = channel.basic_consume(queue, "".into(), BasicConsumeOptions::default(), FieldTable::default()).await?;
        tokio::spawn(consume((channel.clone(), consumer), permits.clone(), (database.clone(), done.clone())));
    }
    Ok(())
}

/// Holds the channel, which keeps it open.
async fn consume(
    (_channel, mut consumer): (Channel, Consumer),
    permits: Arc<Semaphore>,
    (database, done): (Database, mpsc::UnboundedSender<Steps>),
) {
    while let Some(Ok(delivery)) = consumer.next().await {
        let received_us = now_us();
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let (database, done) = (database.clone(), done.clone());
        tokio::spawn(async move {
            // A failed job is missing in the count, so the measurement does not end and the fault is noticed.
            if let Ok(started_us) = work(&database, delivery).await {
                let _ = done.send(Steps { received_us, started_us });
            }
            drop(permit);
        });
    }
}

/// Runs one job; returns the time at which its start was recorded.
async fn work(database: &Database, delivery: Delivery) -> Result<i64> {
    let message: JobMessage = serde_json::from_slice(&delivery.data)?;
    let id: JobId = message.job_id.parse()?;
    database.job_start(id).await?;
    let started_us = now_us();
    database.log_insert(id, "no-op").await?;
    database.job_finish(id).await?;
    delivery.ack(BasicAckOptions::default()).await?;
    Ok(started_us)
}
