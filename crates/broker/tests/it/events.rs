//! The event exchange.

use lapin::options::{BasicGetOptions, ExchangeDeclareOptions, ExchangeDeleteOptions};
use lapin::types::FieldTable;
use lapin::{ExchangeKind, message::Delivery};

use crate::support::{World, eventually, next, run};

async fn get(world: &World, queue: &str) -> Option<Delivery> {
    let channel = world.channel().await;
    let options = BasicGetOptions { no_ack: true };
    let message = channel.basic_get(queue.into(), options).await.unwrap();
    message.map(|message| message.delivery)
}

#[tokio::test]
async fn events_reach_queues_bound_to_their_topic() {
    run(async |world| {
        let queue = world.queue_name();
        world.declare(&queue, &[]).await.unwrap();
        let broker = &world.broker;
        // The first one creates the exchange; no queue is bound yet.
        broker.publish_event("job.started", "0".into()).await.unwrap();
        let exchange = &world.topology.event_exchange;
        world.bind(&queue, exchange, "job.*").await;
        broker.publish_event("worker.lost", "1".into()).await.unwrap();
        broker.publish_event("job.completed", "2".into()).await.unwrap();
        world.expect_depth(&queue, 1).await;
        let event = get(&world, &queue).await.unwrap();
        assert_eq!(event.data, b"2");
        assert_eq!(event.routing_key.as_str(), "job.completed");
        assert_ne!(*event.properties.delivery_mode(), Some(2));
    })
    .await;
}

#[tokio::test]
async fn an_exchange_of_another_type_is_adopted() {
    run(async |world| {
        let queue = world.queue_name();
        world.declare(&queue, &[]).await.unwrap();
        let exchange = world.topology.event_exchange.as_str();
        let options = ExchangeDeclareOptions::default();
        world.channel().await.exchange_declare(exchange.into(), ExchangeKind::Fanout, options, FieldTable::default()).await.unwrap();
        world.bind(&queue, exchange, "").await;
        world.broker.publish_event("job.started", "1".into()).await.unwrap();
        world.expect_depth(&queue, 1).await;
    })
    .await;
}

#[tokio::test]
async fn a_deleted_exchange_is_created_again() {
    run(async |world| {
        let queue = world.queue_name();
        world.declare(&queue, &[]).await.unwrap();
        let broker = &world.broker;
        broker.publish_event("job.started", "1".into()).await.unwrap();
        let exchange = &world.topology.event_exchange;
        world.channel().await.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();
        // Events are not confirmed: the one that meets the deleted exchange is lost, and closes the channel.
        eventually(async || {
            let _ = broker.publish_event("job.started", "2".into()).await;
            let channel = world.channel().await;
            let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
            let name = exchange.as_str().into();
            channel.exchange_declare(name, ExchangeKind::Topic, options, FieldTable::default()).await.is_ok()
        })
        .await;
        world.bind(&queue, exchange, "#").await;
        eventually(async || {
            let _ = broker.publish_event("job.started", "3".into()).await;
            broker.queue_depth(&queue).await.unwrap().messages > 0
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_consumer_of_events_receives_all_topics() {
    run(async |world| {
        let mut events = world.broker.consume_events(10);
        let received = async |events: &mut broker::Consumer| {
            let delivery = next(events).await;
            let body = String::from_utf8(delivery.body.to_vec()).unwrap();
            delivery.ack().await.unwrap();
            body
        };
        // Published until it is received: the time of the subscription cannot be observed.
        let arrived = std::sync::atomic::AtomicBool::new(false);
        let publish = async {
            while !arrived.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = world.broker.publish_event("jobs", "hello".into()).await;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let receive = async {
            assert_eq!(received(&mut events).await, "hello");
            arrived.store(true, std::sync::atomic::Ordering::Relaxed);
        };
        tokio::join!(publish, receive);
        world.broker.publish_event("workers", "other".into()).await.unwrap();
        while received(&mut events).await != "other" {}
    })
    .await;
}
