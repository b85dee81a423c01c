//! Exclusive queues of one consumer.

use broker::Error;

use crate::support::proxy::{Mode, Proxy};
use crate::support::{connected, disconnected, eventually, next, publish, run, unique, url};

#[tokio::test]
async fn an_own_queue_lives_as_long_as_its_consumer() {
    run(async |world| {
        let queue = unique("own");
        let mut consumer = world.broker.consume_own(&queue, 5);
        eventually(async || publish(&world.broker, &queue, "hello").await.is_ok()).await;
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.body, "hello");
        delivery.ack().await.unwrap();
        drop(consumer);
        eventually(async || publish(&world.broker, &queue, "anybody?").await == Err(Error::Unroutable { queue: queue.clone() })).await;
    })
    .await;
}

#[tokio::test]
async fn an_own_queue_is_exclusive() {
    run(async |world| {
        let queue = unique("own");
        let _consumer = world.broker.consume_own(&queue, 5);
        eventually(async || publish(&world.broker, &queue, "mine").await.is_ok()).await;
        let refused = world.channel().await.basic_get(queue.as_str().into(), lapin::options::BasicGetOptions::default()).await;
        assert!(refused.is_err(), "another connection may not read it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_own_queue_is_declared_again_after_the_connection_was_cut() {
    run(async |world| {
        let proxy = Proxy::start(&url()).await;
        let broker = world.connect(&proxy.url(&url()));
        connected(&broker).await;
        let queue = unique("own");
        let mut consumer = broker.consume_own(&queue, 5);
        eventually(async || publish(&world.broker, &queue, "before").await.is_ok()).await;
        next(&mut consumer).await.ack().await.unwrap();
        proxy.set(Mode::Cut);
        disconnected(&broker).await;
        eventually(async || publish(&world.broker, &queue, "lost").await.is_err()).await;
        proxy.set(Mode::Open);
        eventually(async || publish(&world.broker, &queue, "after").await.is_ok()).await;
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.body, "after");
        delivery.ack().await.unwrap();
        broker.close().await;
    })
    .await;
}
