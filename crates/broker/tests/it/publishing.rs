//! Confirmed publishing.

use broker::{Error, QueueProfile};
use futures_util::future::join_all;
use lapin::options::BasicGetOptions;
use lapin::types::AMQPValue;

use crate::support::{publish, run};

#[tokio::test]
async fn a_message_is_what_robots_expect_on_the_wire() {
    run(async |world| {
        let queue = world.queue_name();
        world.broker.ensure_queue(&queue, QueueProfile::Plain).await.unwrap();
        let headers = [("traceparent".to_owned(), "00-abc-def-01".to_owned())];
        world.broker.publish(&queue, r#"{"job_id":"1"}"#.into(), &headers).await.unwrap();
        let channel = world.channel().await;
        let options = BasicGetOptions { no_ack: true };
        let received = channel.basic_get(queue.as_str().into(), options).await;
        let message = received.unwrap().expect("confirmed but missing").delivery;
        assert_eq!(message.data, br#"{"job_id":"1"}"#);
        assert_eq!(message.exchange.as_str(), "");
        assert_eq!(message.routing_key.as_str(), queue);
        let properties = &message.properties;
        assert_eq!(*properties.delivery_mode(), Some(2));
        assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/json");
        let headers = properties.headers().as_ref().unwrap().inner();
        let traceparent = AMQPValue::LongString("00-abc-def-01".into());
        assert_eq!(headers.get("traceparent"), Some(&traceparent));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_concurrent_messages_are_all_confirmed() {
    run(async |world| {
        let queue = world.queue_name();
        world.broker.ensure_queue(&queue, QueueProfile::Regente).await.unwrap();
        let publishes = (0..2000).map(|_| {
            let (broker, queue) = (world.broker.clone(), queue.clone());
            tokio::spawn(async move { publish(&broker, &queue, "{}").await })
        });
        for outcome in join_all(publishes).await {
            assert_eq!(outcome.unwrap(), Ok(()));
        }
        world.expect_depth(&queue, 2000).await;
    })
    .await;
}

#[tokio::test]
async fn messages_of_one_task_keep_their_order() {
    run(async |world| {
        let queue = world.queue_name();
        world.broker.ensure_queue(&queue, QueueProfile::Plain).await.unwrap();
        let bodies: Vec<String> = (0..500).map(|number| number.to_string()).collect();
        let publishes = bodies.iter().map(|body| publish(&world.broker, &queue, body));
        assert!(join_all(publishes).await.iter().all(Result::is_ok));
        let mut consumer = world.broker.consume(&queue, 500);
        for body in &bodies {
            let delivery = crate::support::next(&mut consumer).await;
            assert_eq!(delivery.body, body.as_bytes());
            delivery.ack().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_message_to_a_missing_queue_is_unroutable() {
    run(async |world| {
        let queue = world.queue_name();
        let missing = Error::Unroutable { queue: queue.clone() };
        assert_eq!(publish(&world.broker, &queue, "{}").await, Err(missing));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_to_missing_queues_do_not_mix_with_others() {
    run(async |world| {
        let present = world.queue_name();
        let missing = world.queue_name();
        world.broker.ensure_queue(&present, QueueProfile::Plain).await.unwrap();
        for _ in 0..10 {
            let publishes = (0..600).map(|number| {
                let queue = if number % 3 == 0 { &missing } else { &present };
                publish(&world.broker, queue, "{}")
            });
            for (number, outcome) in join_all(publishes).await.into_iter().enumerate() {
                let queue = missing.clone();
                let expected = if number % 3 == 0 { Err(Error::Unroutable { queue }) } else { Ok(()) };
                assert_eq!(outcome, expected, "message {number}");
            }
        }
        world.expect_depth(&present, 4000).await;
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_that_rejects_is_a_nack() {
    run(async |world| {
        let queue = world.queue_name();
        let arguments = [("x-max-length", AMQPValue::LongInt(1)), ("x-overflow", AMQPValue::LongString("reject-publish".into()))];
        world.declare(&queue, &arguments).await.unwrap();
        assert_eq!(publish(&world.broker, &queue, "{}").await, Ok(()));
        world.expect_depth(&queue, 1).await;
        let nacked = Error::Nacked { queue: queue.clone() };
        assert_eq!(publish(&world.broker, &queue, "{}").await, Err(nacked));
    })
    .await;
}

#[tokio::test]
async fn refused_declarations_do_not_disturb_publishing() {
    run(async |world| {
        let queue = world.queue_name();
        world.broker.ensure_queue(&queue, QueueProfile::Plain).await.unwrap();
        let missing = world.queue_name();
        let publishes = join_all((0..300).map(|_| publish(&world.broker, &queue, "{}")));
        let depths = join_all((0..30).map(|_| world.broker.queue_depth(&missing)));
        let (published, depths) = tokio::join!(publishes, depths);
        assert!(published.iter().all(Result::is_ok));
        assert!(depths.iter().all(|depth| matches!(depth, Err(Error::QueueNotFound { .. }))));
        assert!(world.broker.is_connected());
    })
    .await;
}

#[tokio::test]
async fn unsendable_messages_are_refused_before_they_are_sent() {
    run(async |world| {
        let long = "q".repeat(256);
        let invalid = Err(Error::InvalidName { length: 256 });
        assert_eq!(publish(&world.broker, &long, "{}").await, invalid);
        let headers = [(long, String::new())];
        let published = world.broker.publish("queue", "{}".into(), &headers).await;
        assert_eq!(published, invalid);
        let limit = 16 * 1024 * 1024;
        let body = vec![0; limit + 1].into();
        let published = world.broker.publish("queue", body, &[]).await;
        let size = limit + 1;
        assert_eq!(published, Err(Error::BodyTooLarge { size, limit }));
    })
    .await;
}
