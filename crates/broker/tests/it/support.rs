//! Shared by all tests: a broker with names of its own, a foreign client, and the clean-up.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker::{Broker, Delivery, Error, Topology};
use futures_util::FutureExt;
use lapin::options::{ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::time::timeout;

pub(crate) mod proxy;

/// Limit of every wait. Long, because a passing test never reaches it.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn url() -> String {
    std::env::var("TEST_AMQP_URL").expect("TEST_AMQP_URL must hold the URL of a RabbitMQ, such as amqp://guest:guest@127.0.0.1:5672")
}

/// A test's own names on the broker.
pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) topology: Topology,
    /// A client that does not use this crate.
    pub(crate) foreign: Connection,
    queues: Mutex<Vec<String>>,
}

impl World {
    async fn new() -> Self {
        let topology = Topology { dead_letter_queue: unique("dead-letters"), event_exchange: unique("events") };
        let broker = Broker::connect_with(&url(), "broker-test", topology.clone()).unwrap();
        connected(&broker).await;
        Self {
            broker,
            foreign: Connection::connect(&url(), ConnectionProperties::default()).await.unwrap(),
            queues: Mutex::new(vec![topology.dead_letter_queue.clone()]),
            topology,
        }
    }

    /// A new queue name. The queue is deleted after the test.
    pub(crate) fn queue_name(&self) -> String {
        let name = unique("queue");
        self.queues.lock().unwrap().push(name.clone());
        name
    }

    /// Another broker handle with this test's names.
    pub(crate) fn connect(&self, url: &str) -> Broker {
        Broker::connect_with(url, "broker-test-other", self.topology.clone()).unwrap()
    }

    pub(crate) async fn channel(&self) -> Channel {
        self.foreign.create_channel().await.unwrap()
    }

    /// Declares a durable queue as a foreign client would.
    pub(crate) async fn declare(&self, queue: &str, arguments: &[(&str, AMQPValue)]) -> lapin::Result<lapin::Queue> {
        let mut table = FieldTable::default();
        for (name, value) in arguments {
            table.insert((*name).into(), value.clone());
        }
        self.channel().await.queue_declare(queue.into(), QueueDeclareOptions::durable(), table).await
    }

    pub(crate) async fn delete(&self, queue: &str) {
        self.channel().await.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }

    pub(crate) async fn bind(&self, queue: &str, exchange: &str, routing_key: &str) {
        self.channel()
            .await
            .queue_bind(queue.into(), exchange.into(), routing_key.into(), QueueBindOptions::default(), FieldTable::default())
            .await
            .unwrap();
    }

    /// Waits until `queue` has `messages` ready.
    pub(crate) async fn expect_depth(&self, queue: &str, messages: u32) {
        eventually(async || self.broker.queue_depth(queue).await.unwrap().messages == messages).await;
    }

    async fn clean(&self) {
        self.broker.close().await;
        let channel = self.channel().await;
        let queues = self.queues.lock().unwrap().clone();
        for queue in queues {
            let options = QueueDeleteOptions::default();
            channel.queue_delete(queue.into(), options).await.unwrap();
        }
        let exchange = self.topology.event_exchange.as_str().into();
        let options = ExchangeDeleteOptions::default();
        channel.exchange_delete(exchange, options).await.unwrap();
        self.foreign.close(200, "OK".into()).await.unwrap();
    }
}

/// Runs a test and cleans up after it, also when it fails.
pub(crate) async fn run(test: impl AsyncFnOnce(Arc<World>)) {
    let world = Arc::new(World::new().await);
    let outcome = AssertUnwindSafe(test(world.clone())).catch_unwind().await;
    world.clean().await;
    if let Err(failure) = outcome {
        resume_unwind(failure);
    }
}

pub(crate) fn unique(kind: &str) -> String {
    format!("test.{kind}.{}", uuid::Uuid::new_v4().simple())
}

pub(crate) async fn connected(broker: &Broker) {
    let mut connected = broker.watch_connected();
    timeout(LIMIT, connected.wait_for(|connected| *connected)).await.expect("not connected in time").unwrap();
}

pub(crate) async fn disconnected(broker: &Broker) {
    let mut connected = broker.watch_connected();
    timeout(LIMIT, connected.wait_for(|connected| !*connected)).await.expect("still connected").unwrap();
}

/// Polls until the condition holds.
pub(crate) async fn eventually(condition: impl AsyncFn() -> bool) {
    let polling = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, polling).await.expect("did not happen in time");
}

pub(crate) async fn next(consumer: &mut broker::Consumer) -> Delivery {
    timeout(LIMIT, consumer.next()).await.expect("no delivery in time").expect("the consumer ended")
}

pub(crate) async fn publish(broker: &Broker, queue: &str, body: &str) -> Result<(), Error> {
    timeout(LIMIT, broker.publish(queue, body.to_owned().into_bytes().into(), &[])).await.expect("no answer to a publish in time")
}
