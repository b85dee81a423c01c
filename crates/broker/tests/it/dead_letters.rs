//! Dead letters.

use broker::QueueProfile;
use lapin::types::AMQPValue;

use crate::support::{next, publish, run};

#[tokio::test]
async fn a_rejected_message_arrives_in_the_dead_letter_queue() {
    run(async |world| {
        for profile in [QueueProfile::Regente, QueueProfile::Maestro] {
            let queue = world.queue_name();
            world.broker.ensure_queue(&queue, profile).await.unwrap();
            let headers = [("traceparent".to_owned(), "00-1-2-01".to_owned())];
            world.broker.publish(&queue, "bad".into(), &headers).await.unwrap();
            let mut consumer = world.broker.consume(&queue, 1);
            let delivery = next(&mut consumer).await;
            assert_eq!(delivery.death, None);
            delivery.reject().await.unwrap();
            let mut dead_letters = world.broker.consume(&world.topology.dead_letter_queue, 10);
            let dead = next(&mut dead_letters).await;
            assert_eq!(dead.body, "bad");
            assert_eq!(dead.routing_key, queue);
            assert!(dead.headers.contains(&headers[0]));
            let death = dead.death.clone().expect("no death");
            assert_eq!((death.queue, death.count), (queue, 1));
            assert_eq!(death.reason, "rejected");
            dead.ack().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn dead_letters_of_an_adopted_queue_are_collected_too() {
    run(async |world| {
        let mut dead_letters = world.broker.consume(&world.topology.dead_letter_queue, 1);
        for exchange in ["maestro.dlx", "regente.dlx"] {
            for profile in [QueueProfile::Maestro, QueueProfile::Regente, QueueProfile::Plain] {
                let queue = world.queue_name();
                let arguments =
                    [("x-dead-letter-exchange", AMQPValue::LongString(exchange.into())), ("x-message-ttl", AMQPValue::LongInt(1))];
                world.declare(&queue, &arguments).await.unwrap();
                world.broker.ensure_queue(&queue, profile).await.unwrap();
                publish(&world.broker, &queue, "late").await.unwrap();
                let dead = next(&mut dead_letters).await;
                let death = dead.death.clone().expect("no death");
                assert_eq!((death.reason.as_str(), &death.queue), ("expired", &queue), "{exchange} under {profile:?}");
                dead.ack().await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_deleted_dead_letter_queue_is_created_again_with_the_next_queue() {
    run(async |world| {
        let ensure = async || {
            let queue = world.queue_name();
            let profile = QueueProfile::Regente;
            world.broker.ensure_queue(&queue, profile).await.unwrap();
        };
        ensure().await;
        world.delete(&world.topology.dead_letter_queue).await;
        ensure().await;
        world.expect_depth(&world.topology.dead_letter_queue, 0).await;
    })
    .await;
}
