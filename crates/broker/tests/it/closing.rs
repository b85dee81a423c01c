//! Orderly opening and closing.

use broker::{Broker, Error, QueueProfile};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::support::{LIMIT, connected, eventually, next, publish, run, url};

#[tokio::test]
async fn closing_waits_for_confirms_and_refuses_more() {
    run(async |world| {
        let queue = world.queue_name();
        world.declare(&queue, &[]).await.unwrap();
        let broker = world.connect(&url());
        connected(&broker).await;
        let publishes = join_all((0..300).map(|_| publish(&broker, &queue, "{}")));
        let (published, ()) = tokio::join!(publishes, broker.close());
        assert!(published.iter().all(Result::is_ok), "{published:?}");
        assert!(!broker.is_connected());
        assert_eq!(publish(&broker, &queue, "{}").await, Err(Error::Closed));
        let ensured = broker.ensure_queue(&queue, QueueProfile::Plain).await;
        assert_eq!(ensured, Err(Error::Closed));
        broker.close().await;
        world.expect_depth(&queue, 300).await;
    })
    .await;
}

#[tokio::test]
async fn closing_ends_consumers_and_returns_their_deliveries() {
    run(async |world| {
        let queue = world.queue_name();
        world.declare(&queue, &[]).await.unwrap();
        publish(&world.broker, &queue, "{}").await.unwrap();
        let broker = world.connect(&url());
        let mut consumer = broker.consume(&queue, 1);
        let delivery = next(&mut consumer).await;
        broker.close().await;
        let ended = timeout(LIMIT, consumer.next()).await;
        assert!(ended.expect("still waiting").is_none());
        assert_eq!(delivery.ack().await, Err(Error::Disconnected));
        world.expect_depth(&queue, 1).await;
    })
    .await;
}

#[tokio::test]
async fn a_consumer_keeps_the_connection_and_its_drop_ends_it() {
    run(async |world| {
        let queue = world.queue_name();
        world.declare(&queue, &[]).await.unwrap();
        let broker = world.connect(&url());
        let mut connected = broker.watch_connected();
        let mut consumer = broker.consume(&queue, 1);
        drop(broker);
        publish(&world.broker, &queue, "{}").await.unwrap();
        next(&mut consumer).await.ack().await.unwrap();
        assert!(*connected.borrow_and_update());
        drop(consumer);
        // The sender is dropped with the supervisor.
        eventually(async || connected.has_changed().is_err()).await;
        assert!(!*connected.borrow());
    })
    .await;
}

#[tokio::test]
async fn an_invalid_url_is_refused_without_repeating_it() {
    for url in ["", "localhost", "http://localhost", "amqp//:secret@host"] {
        let error = Broker::connect(url, "test").err().expect(url);
        assert_eq!(error, Error::InvalidUrl);
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn connecting_needs_a_runtime() {
    let outcome = Broker::connect("amqp://localhost", "test");
    assert_eq!(outcome.err(), Some(Error::NoRuntime));
}

#[tokio::test]
async fn closing_before_a_connection_exists_returns() {
    let broker = Broker::connect("amqp://127.0.0.1:1", "test").unwrap();
    assert!(!broker.is_connected());
    assert_eq!(publish(&broker, "any", "{}").await, Err(Error::Disconnected));
    timeout(LIMIT, broker.close()).await.expect("still closing");
    assert_eq!(publish(&broker, "any", "{}").await, Err(Error::Closed));
}
