//! Unconfirmed messages.

use lapin::options::BasicGetOptions;

use crate::support::{eventually, run};

#[tokio::test]
async fn a_transient_message_reaches_its_queue_and_is_not_persistent() {
    run(async |world| {
        let queue = world.queue_name();
        world.declare(&queue, &[]).await.unwrap();
        world.broker.publish_transient(&queue, "1".into()).await.unwrap();
        world.expect_depth(&queue, 1).await;
        let options = BasicGetOptions { no_ack: true };
        let message = world.channel().await.basic_get(queue.as_str().into(), options).await.unwrap().unwrap().delivery;
        assert_eq!(message.data, b"1");
        assert_ne!(*message.properties.delivery_mode(), Some(2));
        assert_eq!(message.properties.content_type().as_ref().map(|kind| kind.as_str()), Some("application/json"));
    })
    .await;
}

#[tokio::test]
async fn a_transient_message_for_a_missing_queue_is_dropped_without_harm() {
    run(async |world| {
        let queue = world.queue_name();
        for _ in 0..3 {
            world.broker.publish_transient("test.queue.nobody-has-this", "1".into()).await.unwrap();
        }
        world.declare(&queue, &[]).await.unwrap();
        world.broker.publish_transient(&queue, "2".into()).await.unwrap();
        eventually(async || world.broker.queue_depth(&queue).await.unwrap().messages == 1).await;
    })
    .await;
}
