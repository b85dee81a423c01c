//! Consumers and how deliveries are settled.

use std::time::Duration;

use broker::QueueProfile;
use futures_util::FutureExt;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions};
use lapin::types::FieldTable;
use tokio::time::timeout;

use crate::support::{World, eventually, next, publish, run};

/// The consumer retries after 100 ms, and then after growing pauses.
const REFUSED_AT_LEAST_TWICE: Duration = Duration::from_millis(600);

async fn queue_with(world: &World, messages: usize) -> String {
    let queue = world.queue_name();
    world.declare(&queue, &[]).await.unwrap();
    for number in 0..messages {
        publish(&world.broker, &queue, &number.to_string()).await.unwrap();
    }
    queue
}

#[tokio::test]
async fn an_acknowledged_message_is_gone() {
    run(async |world| {
        let queue = world.queue_name();
        world.broker.ensure_queue(&queue, QueueProfile::Regente).await.unwrap();
        let headers = [("traceparent".to_owned(), "00-1-2-01".to_owned())];
        world.broker.publish(&queue, "{}".into(), &headers).await.unwrap();
        let mut consumer = world.broker.consume(&queue, 5);
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.body, "{}");
        assert_eq!(delivery.routing_key, queue);
        assert_eq!(delivery.headers, headers);
        assert!(!delivery.redelivered);
        delivery.ack().await.unwrap();
        drop(consumer);
        eventually(async || world.broker.queue_depth(&queue).await.unwrap().consumers == 0).await;
        world.expect_depth(&queue, 0).await;
    })
    .await;
}

#[tokio::test]
async fn a_requeued_or_dropped_delivery_is_redelivered() {
    run(async |world| {
        let queue = queue_with(&world, 1).await;
        let mut consumer = world.broker.consume(&queue, 1);
        next(&mut consumer).await.requeue().await.unwrap();
        let again = next(&mut consumer).await;
        assert!(again.redelivered);
        drop(again);
        let again = next(&mut consumer).await;
        assert!(again.redelivered);
        again.ack().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_consumer_takes_at_most_its_prefetch() {
    run(async |world| {
        let queue = queue_with(&world, 5).await;
        let mut consumer = world.broker.consume(&queue, 2);
        let first = next(&mut consumer).await;
        let second = next(&mut consumer).await;
        world.expect_depth(&queue, 3).await;
        assert!(consumer.next().now_or_never().is_none());
        first.ack().await.unwrap();
        next(&mut consumer).await.ack().await.unwrap();
        second.ack().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_dropped_consumer_requeues_what_it_has_not_returned() {
    run(async |world| {
        let queue = queue_with(&world, 5).await;
        let mut consumer = world.broker.consume(&queue, 4);
        let held = next(&mut consumer).await;
        world.expect_depth(&queue, 1).await;
        drop(consumer);
        world.expect_depth(&queue, 4).await;
        // The returned delivery can still be settled.
        held.ack().await.unwrap();
        let mut rest = world.broker.consume(&queue, 4);
        for _ in 0..4 {
            let delivery = next(&mut rest).await;
            assert_ne!(delivery.body, "0");
            delivery.ack().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_consumer_waits_until_its_queue_is_declared_or_declared_again() {
    run(async |world| {
        let queue = world.queue_name();
        let mut consumer = world.broker.consume(&queue, 1);
        let unanswered = tokio::time::timeout(std::time::Duration::from_millis(300), consumer.next());
        assert!(unanswered.await.is_err(), "a delivery out of nowhere");
        for body in ["first life", "second life"] {
            world.declare(&queue, &[]).await.unwrap();
            publish(&world.broker, &queue, body).await.unwrap();
            let delivery = next(&mut consumer).await;
            assert_eq!(delivery.body, body);
            delivery.ack().await.unwrap();
            world.delete(&queue).await;
        }
        assert!(world.broker.is_connected());
    })
    .await;
}

#[tokio::test]
async fn each_consumer_has_its_own_prefetch() {
    run(async |world| {
        let queues = [queue_with(&world, 5).await, queue_with(&world, 5).await, queue_with(&world, 5).await];
        let consumers = [1, 3, 1].iter().zip(&queues).map(|(prefetch, queue)| world.broker.consume(queue, *prefetch));
        let _consumers: Vec<_> = consumers.collect();
        for (queue, left) in queues.iter().zip([4, 2, 4]) {
            world.expect_depth(queue, left).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_deleted_or_refused_queue_does_not_end_other_subscriptions() {
    run(async |world| {
        let (sound, gone, refused) = (queue_with(&world, 2).await, queue_with(&world, 1).await, queue_with(&world, 1).await);
        let options = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
        let foreign = world.channel().await;
        let exclusive = foreign.basic_consume(refused.as_str().into(), "".into(), options, FieldTable::default()).await.unwrap();
        let mut refused = world.broker.consume(&refused, 1);
        assert!(timeout(REFUSED_AT_LEAST_TWICE, refused.next()).await.is_err(), "a delivery to whom the queue is closed");

        let (mut sound, mut leaving) = (world.broker.consume(&sound, 1), world.broker.consume(&gone, 1));
        let held = next(&mut sound).await;
        next(&mut leaving).await.ack().await.unwrap();
        world.delete(&gone).await;
        assert!(timeout(REFUSED_AT_LEAST_TWICE, leaving.next()).await.is_err(), "a delivery out of nowhere");
        held.ack().await.unwrap();
        let second = next(&mut sound).await;
        assert!(!second.redelivered, "the first subscription continues");
        second.ack().await.unwrap();

        foreign.basic_cancel(exclusive.tag(), BasicCancelOptions::default()).await.unwrap();
        drop(exclusive);
        foreign.close(200, "OK".into()).await.unwrap();
        next(&mut refused).await.ack().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_consumer_of_an_invalid_queue_name_ends() {
    run(async |world| {
        let mut consumer = world.broker.consume("", 1);
        assert!(consumer.next().await.is_none());
    })
    .await;
}
