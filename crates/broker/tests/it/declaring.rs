//! Queues declared here and by foreign clients.

use broker::{Error, QueueDepth, QueueProfile};
use futures_util::future::join_all;
use lapin::ErrorKind;
use lapin::types::AMQPValue;

use crate::support::{connected, eventually, publish, run};

fn dead_letters_to(exchange: &str) -> (&'static str, AMQPValue) {
    ("x-dead-letter-exchange", AMQPValue::LongString(exchange.into()))
}

fn reply_code(result: lapin::Result<lapin::Queue>) -> u16 {
    match result.unwrap_err().kind() {
        ErrorKind::ProtocolError(error) => error.get_id(),
        other => panic!("not a refusal: {other:?}"),
    }
}

#[tokio::test]
async fn every_profile_declares_what_foreign_clients_declare() {
    let profiles = [
        (QueueProfile::Regente, vec![dead_letters_to("regente.dlx")]),
        (QueueProfile::Maestro, vec![dead_letters_to("maestro.dlx")]),
        (QueueProfile::Plain, vec![]),
    ];
    run(async move |world| {
        for (profile, arguments) in &profiles {
            let queue = world.queue_name();
            let empty = QueueDepth { messages: 0, consumers: 0 };
            let created = world.broker.ensure_queue(&queue, *profile).await;
            assert_eq!(created, Ok(Some(empty)), "{profile:?}");
            world.declare(&queue, arguments).await.unwrap();
            for (other, arguments) in &profiles {
                if other != profile {
                    let refused = world.declare(&queue, arguments).await;
                    assert_eq!(reply_code(refused), 406, "{profile:?} as {other:?}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_existing_queue_is_adopted_whatever_its_arguments() {
    run(async |world| {
        for profile in [QueueProfile::Regente, QueueProfile::Maestro, QueueProfile::Plain] {
            let queue = world.queue_name();
            let arguments = [("x-max-length", AMQPValue::LongInt(7))];
            world.declare(&queue, &arguments).await.unwrap();
            let adopted = world.broker.ensure_queue(&queue, profile).await;
            assert!(matches!(adopted, Ok(Some(_))), "{adopted:?}");
            assert_eq!(publish(&world.broker, &queue, "{}").await, Ok(()));
            world.declare(&queue, &arguments).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn the_broker_is_queried_once_per_queue() {
    run(async |world| {
        let queue = world.queue_name();
        let ensures = join_all((0..20).map(|_| world.broker.ensure_queue(&queue, QueueProfile::Regente)));
        let asked = ensures.await.into_iter().filter(|outcome| outcome.clone().unwrap().is_some());
        assert_eq!(asked.count(), 1);
    })
    .await;
}

#[tokio::test]
async fn replicas_may_create_the_same_queue_at_once() {
    run(async |world| {
        let others: Vec<_> = (0..4).map(|_| world.connect(&crate::support::url())).collect();
        for other in &others {
            crate::support::connected(other).await;
        }
        for _ in 0..10 {
            let queue = world.queue_name();
            let ensures = others.iter().enumerate().map(|(index, other)| {
                let profile = if index % 2 == 0 { QueueProfile::Regente } else { QueueProfile::Plain };
                other.ensure_queue(&queue, profile)
            });
            for outcome in join_all(ensures).await {
                assert!(outcome.is_ok(), "{outcome:?}");
            }
        }
        for other in others {
            other.close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_queue_found_missing_is_created_again() {
    run(async |world| {
        let queue = world.queue_name();
        let ensure = || world.broker.ensure_queue(&queue, QueueProfile::Regente);
        ensure().await.unwrap();
        world.delete(&queue).await;
        let published = publish(&world.broker, &queue, "{}").await;
        assert!(matches!(published, Err(Error::Unroutable { .. })));
        assert!(ensure().await.unwrap().is_some());
        assert_eq!(publish(&world.broker, &queue, "{}").await, Ok(()));
        world.delete(&queue).await;
        let missing = Error::QueueNotFound { queue: queue.clone() };
        assert_eq!(world.broker.queue_depth(&queue).await, Err(missing));
        assert!(ensure().await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn depth_counts_messages_and_consumers() {
    run(async |world| {
        let queue = world.queue_name();
        world.declare(&queue, &[]).await.unwrap();
        publish(&world.broker, &queue, "{}").await.unwrap();
        world.expect_depth(&queue, 1).await;
        let _consumer = world.broker.consume(&queue, 1);
        let busy = QueueDepth { messages: 0, consumers: 1 };
        let depth = async || world.broker.queue_depth(&queue).await.unwrap();
        crate::support::eventually(async || depth().await == busy).await;
    })
    .await;
}

#[tokio::test]
async fn a_queue_exclusive_to_another_connection_is_refused() {
    run(async |world| {
        let queue = world.queue_name();
        let channel = world.channel().await;
        let options = lapin::options::QueueDeclareOptions::exclusive();
        channel.queue_declare(queue.as_str().into(), options, Default::default()).await.unwrap();
        let outcome = world.broker.ensure_queue(&queue, QueueProfile::Plain).await;
        assert!(matches!(outcome, Err(Error::Refused { code: 405, .. })), "{outcome:?}");
    })
    .await;
}

/// lapin never reuses a channel number that the broker closed with an error, and has 2,047.
#[tokio::test]
async fn refusals_do_not_use_up_the_connection() {
    run(async move |world| {
        let (missing, queue) = (world.queue_name(), world.queue_name());
        for _ in 0..2_100 {
            let refused = world.broker.queue_depth(&missing).await;
            assert!(matches!(refused, Err(Error::QueueNotFound { .. } | Error::Disconnected)), "{refused:?}");
        }
        eventually(async || world.broker.ensure_queue(&queue, QueueProfile::Plain).await.is_ok()).await;
    })
    .await;
}

#[tokio::test]
async fn depth_is_queried_only_for_ensured_queues() {
    run(async |world| {
        let (seen, other) = (world.queue_name(), world.queue_name());
        world.declare(&other, &[]).await.unwrap();
        world.broker.ensure_queue(&seen, QueueProfile::Plain).await.unwrap();
        assert_eq!(world.broker.queue_depth_if_ensured(&seen).await.unwrap().map(|depth| depth.messages), Some(0));
        assert_eq!(world.broker.queue_depth_if_ensured(&other).await.unwrap(), None);
        world.delete(&seen).await;
        assert!(matches!(world.broker.queue_depth_if_ensured(&seen).await, Err(Error::QueueNotFound { .. })));
        assert_eq!(world.broker.queue_depth_if_ensured(&seen).await.unwrap(), None, "no longer ensured");
    })
    .await;
}

#[tokio::test]
async fn looking_up_an_undeclared_queue_never_creates_it() {
    run(async |world| {
        let queue = world.queue_name();
        // More than a connection has channels, if each refusal cost one.
        for _ in 0..2100 {
            let looked = world.broker.adopt_queue(&queue).await;
            assert!(matches!(looked, Err(Error::QueueNotFound { .. })), "{looked:?}");
        }
        assert!(world.broker.is_connected() && !world.broker.has_ensured(&queue));
        world.declare(&queue, &[dead_letters_to("maestro.dlx")]).await.unwrap();
        assert_eq!(world.broker.adopt_queue(&queue).await, Ok(Some(QueueDepth { messages: 0, consumers: 0 })));
        assert!(world.broker.has_ensured(&queue));
        assert_eq!(publish(&world.broker, &queue, "{}").await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn a_profile_is_applied_when_the_queue_is_empty_and_unused() {
    run(async |world| {
        let queue = world.queue_name();
        assert_eq!(world.broker.apply_profile(&queue, QueueProfile::Regente).await, Ok(None), "it is created");
        assert_eq!(world.broker.apply_profile(&queue, QueueProfile::Regente).await, Ok(None), "it is as it should be");
        publish(&world.broker, &queue, "{}").await.unwrap();
        world.expect_depth(&queue, 1).await;
        let full = world.broker.apply_profile(&queue, QueueProfile::Maestro).await;
        assert_eq!(full, Ok(Some(QueueDepth { messages: 1, consumers: 0 })));
        let mut consumer = world.broker.consume(&queue, 1);
        crate::support::next(&mut consumer).await.ack().await.unwrap();
        let used = world.broker.apply_profile(&queue, QueueProfile::Maestro).await;
        assert_eq!(used, Ok(Some(QueueDepth { messages: 0, consumers: 1 })));
        world.declare(&queue, &[dead_letters_to("regente.dlx")]).await.unwrap();
        drop(consumer);
        eventually(async || world.broker.apply_profile(&queue, QueueProfile::Maestro).await == Ok(None)).await;
        world.declare(&queue, &[dead_letters_to("maestro.dlx")]).await.unwrap();
        assert_eq!(publish(&world.broker, &queue, "{}").await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn two_hubs_that_apply_a_profile_at_once_agree() {
    run(async |world| {
        let (other, queue) = (world.connect(&crate::support::url()), world.queue_name());
        connected(&other).await;
        let profiles = [QueueProfile::Regente, QueueProfile::Plain, QueueProfile::Maestro];
        for profile in profiles.into_iter().cycle().take(30) {
            let (one, two) = tokio::join!(world.broker.apply_profile(&queue, profile), other.apply_profile(&queue, profile));
            assert_eq!((one, two), (Ok(None), Ok(None)), "{profile:?}");
        }
        other.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_queue_of_another_type_is_kept_and_the_connection_survives() {
    run(async |world| {
        let queue = world.queue_name();
        world.declare(&queue, &[("x-queue-type", AMQPValue::LongString("quorum".into()))]).await.unwrap();
        for _ in 0..2 {
            let refused = world.broker.apply_profile(&queue, QueueProfile::Maestro).await;
            assert!(refused.is_err(), "{refused:?}");
        }
        assert!(world.broker.is_connected());
        assert!(matches!(world.broker.adopt_queue(&queue).await, Ok(Some(_))));
        assert_eq!(publish(&world.broker, &queue, "{}").await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn a_consumer_creates_its_queue_unless_it_exists() {
    run(async |world| {
        let (new, old) = (world.queue_name(), world.queue_name());
        world.declare(&old, &[]).await.unwrap();
        for (queue, arguments) in [(&new, vec![dead_letters_to("regente.dlx")]), (&old, vec![])] {
            let mut consumer = world.broker.consume_or_create(queue, QueueProfile::Regente, 1);
            eventually(async || world.broker.adopt_queue(queue).await.is_ok()).await;
            world.declare(queue, &arguments).await.unwrap();
            publish(&world.broker, queue, "{}").await.unwrap();
            crate::support::next(&mut consumer).await.ack().await.unwrap();
        }
    })
    .await;
}
