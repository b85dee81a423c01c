use anyhow::{Context as _, Result, ensure};
use broker::{Broker, QueueProfile};
use domain::ids::JobId;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use messages::{JobMessage, JsonObject};
use serde_json::{Value, json};
use uuid::Uuid;

use super::database::Database;

const PERSISTENT: u8 = 2;

/// Accepts jobs: a row, then a message that the broker has confirmed.
pub(super) struct Submitter {
    channel: Channel,
    queues: Vec<ShortString>,
    database: Database,
}

/// Declares the queues exactly as the hub does, and opens the floor's own connection.
pub(super) async fn connect(url: &str, queues: &[String]) -> Result<Connection> {
    let broker = Broker::connect(url, "bench floor set-up")?;
    broker.watch_connected().wait_for(|connected| *connected).await?;
    for queue in queues {
        broker.ensure_queue(queue, QueueProfile::Regente).await?;
    }
    broker.close().await;
    Ok(Connection::connect(url, ConnectionProperties::default().with_connection_name("bench floor".into())).await?)
}

impl Submitter {
    pub(super) async fn open(connection: &Connection, queues: &[String], database: Database) -> Result<Self> {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { channel, queues: queues.iter().map(|queue| queue.as_str().into()).collect(), database })
    }

    /// Number of queues.
    pub(super) fn queues(&self) -> usize {
        self.queues.len()
    }

    /// Jobs go to the queues in turn.
    pub(super) async fn submit(&self, number: usize) -> Result<()> {
        let queue = &self.queues[number % self.queues.len()];
        let id = JobId::new(Uuid::now_v7());
        let parameters = json!({"n": 1});
        self.database.job_insert(id, 1, &parameters).await?;
        let body = serde_json::to_vec(&message(queue, id, parameters))?;
        let properties = BasicProperties::default().with_content_type("application/json".into()).with_delivery_mode(PERSISTENT);
        let publishing =
            self.channel.basic_publish(ShortString::default(), queue.clone(), BasicPublishOptions::default(), &body, properties);
        let confirmation = publishing.await?.await.context("no confirm")?;
        ensure!(!confirmation.is_nack(), "the broker refused a message");
        Ok(())
    }
}

/// The same body that the hub publishes.
fn message(queue: &ShortString, id: JobId, parameters: Value) -> JobMessage {
    let Value::Object(parameters) = parameters else { return JobMessage::default() };
    JobMessage {
        job_id: id.to_string(),
        automation_id: 1,
        script_path: "noop.py".to_owned(),
        parameters: Some(JsonObject(parameters)),
        entrypoint_type: "PYTHON".to_owned(),
        automation_name: queue.to_string(),
        queue_name: queue.to_string(),
        timeout_s: 0,
        attempt: 1,
        priority: 5,
        ..JobMessage::default()
    }
}
