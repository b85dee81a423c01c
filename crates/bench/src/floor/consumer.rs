use anyhow::Result;
use futures_util::StreamExt as _;
use lapin::{
    Connection,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use messages::JobMessage;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Steps, database::Database};
use crate::clock::now_us;

/// Runs every job that comes, as many at once as the prefetch lets through.
pub(super) async fn start(
    connection: &Connection,
    queue: &str,
    slots: u16,
    (database, done): (Database, mpsc::UnboundedSender<Steps>),
) -> Result<()> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(slots, BasicQosOptions::default()).await?;
    let mut consumer = channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await?;
    tokio::spawn(async move {
        // Keeps the channel open.
        let _channel = channel;
        while let Some(Ok(delivery)) = consumer.next().await {
            let received_us = now_us();
            let (database, done) = (database.clone(), done.clone());
            tokio::spawn(async move {
                // A failed job is missing in the count, which then never ends and is noticed.
                if let Ok(started_us) = work(&database, delivery).await {
                    let _ = done.send(Steps { received_us, started_us });
                }
            });
        }
    });
    Ok(())
}

/// One job; gives the time at which its start was recorded.
async fn work(database: &Database, delivery: Delivery) -> Result<i64> {
    let message: JobMessage = serde_json::from_slice(&delivery.data)?;
    let id = Uuid::parse_str(&message.job_id)?;
    database.job_start(id).await?;
    let started_us = now_us();
    database.log_insert(id, "no-op").await?;
    database.job_finish(id).await?;
    delivery.ack(BasicAckOptions::default()).await?;
    Ok(started_us)
}
