use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, Result};
use broker::Topology;
use chrono::DateTime;
use domain::ids::JobId;
use futures_util::StreamExt as _;
use lapin::{
    Connection, ConnectionProperties, Consumer, ExchangeKind,
    options::{BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use messages::EventBatch;
use tokio::time::timeout;

use super::latency::{Timed, to_ms};

/// Maximum delay of a start's event.
const PATIENCE: Duration = Duration::from_secs(10);

/// Consumes the hubs' events, which carry when each start was committed.
pub(crate) struct Starts {
    _connection: Connection,
    events: Consumer,
    committed_us: HashMap<JobId, i64>,
}

impl Starts {
    pub(crate) async fn listen(amqp_url: &str) -> Result<Self> {
        let connection = Connection::connect(amqp_url, ConnectionProperties::default().with_connection_name("bench starts".into())).await?;
        let channel = connection.create_channel().await?;
        let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), own, FieldTable::default()).await?.name().clone();
        let exchange: ShortString = Topology::default().event_exchange.as_str().into();
        // As the hub does with its first event.
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(exchange.clone(), ExchangeKind::Topic, durable, FieldTable::default()).await?;
        channel.queue_bind(queue.clone(), exchange, "#".into(), QueueBindOptions::default(), FieldTable::default()).await?;
        let unacknowledged = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let events = channel.basic_consume(queue, "".into(), unacknowledged, FieldTable::default()).await?;
        Ok(Self { _connection: connection, events, committed_us: HashMap::new() })
    }

    /// From submit to the commit of the start, in milliseconds, of each job of a round.
    pub(crate) async fn of(&mut self, round: &[Timed]) -> Result<Vec<f64>> {
        let mut latencies = Vec::with_capacity(round.len());
        for timed in round {
            while !self.committed_us.contains_key(&timed.job) {
                let next = timeout(PATIENCE, self.events.next()).await;
                let delivery = next.with_context(|| format!("no event of the start of job {}", timed.job))?;
                self.take_in(&delivery.context("the broker has ended the queue for events")??.data)?;
            }
            latencies.push(to_ms(self.committed_us[&timed.job] - timed.submitted_us));
        }
        Ok(latencies)
    }

    fn take_in(&mut self, body: &[u8]) -> Result<()> {
        let batch: EventBatch = serde_json::from_slice(body)?;
        for event in batch.events.iter().filter(|event| event.r#type == "job.started") {
            let at = DateTime::parse_from_rfc3339(&event.occurred_at)?;
            self.committed_us.insert(event.job_id.parse()?, at.timestamp_micros());
        }
        Ok(())
    }
}
