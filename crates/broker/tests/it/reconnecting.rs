//! Losing the connection and reconnecting.

use std::time::{Duration, Instant};

use broker::{Error, QueueProfile};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::support::proxy::{Mode, Proxy};
use crate::support::{connected, disconnected, eventually, next, publish, run, url};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_and_consuming_resume_after_the_connection_was_cut() {
    run(async |world| {
        let proxy = Proxy::start(&url()).await;
        let broker = world.connect(&proxy.url(&url()));
        connected(&broker).await;
        let queue = world.queue_name();
        let profile = QueueProfile::Regente;
        broker.ensure_queue(&queue, profile).await.unwrap();
        let mut consumer = broker.consume(&queue, 10);
        publish(&broker, &queue, "before").await.unwrap();
        let held = next(&mut consumer).await;

        proxy.set(Mode::Cut);
        disconnected(&broker).await;
        let asked = Instant::now();
        let down = Err(Error::Disconnected);
        assert_eq!(publish(&broker, &queue, "lost").await, down);
        let event = broker.publish_event("job.started", "{}".into()).await;
        assert_eq!(event, down);
        assert_eq!(broker.queue_depth(&queue).await.err(), down.err());
        assert!(asked.elapsed() < Duration::from_secs(1));
        // The direct connection is still open: what is published there waits for the consumer, once the broker has detected the cut.
        eventually(async || world.broker.queue_depth(&queue).await.unwrap().consumers == 0).await;
        publish(&world.broker, &queue, "meanwhile").await.unwrap();

        proxy.set(Mode::Open);
        connected(&broker).await;
        publish(&broker, &queue, "after").await.unwrap();
        broker.publish_event("job.started", "{}".into()).await.unwrap();
        assert!(broker.ensure_queue(&queue, profile).await.unwrap().is_some());
        let mut bodies = Vec::new();
        for _ in 0..3 {
            let delivery = next(&mut consumer).await;
            assert_eq!(delivery.redelivered, delivery.body == "before");
            bodies.push(delivery.body.clone());
            delivery.ack().await.unwrap();
        }
        bodies.sort();
        assert_eq!(bodies, ["after", "before", "meanwhile"]);
        assert_eq!(held.ack().await, Err(Error::Disconnected));
        broker.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_confirmed_is_lost_through_repeated_cuts() {
    run(async |world| {
        let proxy = Proxy::start(&url()).await;
        let broker = world.connect(&proxy.url(&url()));
        let queue = world.queue_name();
        world.declare(&queue, &[]).await.unwrap();
        let mut confirmed = 0;
        let mut failed = 0;
        for _ in 0..5 {
            connected(&broker).await;
            let publishes = join_all((0..1000).map(|_| publish(&broker, &queue, "{}")));
            let cut = async { proxy.set(Mode::Cut) };
            let (outcomes, ()) = tokio::join!(publishes, cut);
            for outcome in outcomes {
                match outcome {
                    Ok(()) => confirmed += 1,
                    Err(Error::Disconnected) => failed += 1,
                    Err(other) => panic!("unexpected: {other}"),
                }
            }
            disconnected(&broker).await;
            proxy.set(Mode::Open);
        }
        assert_eq!(confirmed + failed, 5000);
        let there = async || world.broker.queue_depth(&queue).await.unwrap().messages;
        eventually(async || there().await >= confirmed).await;
        broker.close().await;
    })
    .await;
}

#[tokio::test]
async fn heartbeats_detect_a_silent_connection() {
    run(async |world| {
        let proxy = Proxy::start(&url()).await;
        let separator = if url().contains('?') { '&' } else { '?' };
        let address = format!("{}{separator}heartbeat=1", proxy.url(&url()));
        let broker = world.connect(&address);
        connected(&broker).await;
        let queue = world.queue_name();
        world.declare(&queue, &[]).await.unwrap();
        proxy.set(Mode::Frozen);
        // Under way when the connection is found dead: it must fail then and not wait.
        let unanswered = publish(&broker, &queue, "{}").await;
        assert_eq!(unanswered, Err(Error::Disconnected));
        proxy.set(Mode::Cut);
        proxy.set(Mode::Open);
        connected(&broker).await;
        publish(&broker, &queue, "{}").await.unwrap();
        broker.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_starts_late_is_reached() {
    run(async |world| {
        let proxy = Proxy::start(&url()).await;
        proxy.set(Mode::Cut);
        let broker = world.connect(&proxy.url(&url()));
        let queue = world.queue_name();
        world.declare(&queue, &[]).await.unwrap();
        let mut consumer = broker.consume(&queue, 1);
        assert_eq!(publish(&broker, &queue, "{}").await, Err(Error::Disconnected));
        proxy.set(Mode::Open);
        connected(&broker).await;
        publish(&broker, &queue, "{}").await.unwrap();
        next(&mut consumer).await.ack().await.unwrap();
        broker.close().await;
    })
    .await;
}

/// What waits for the library when its connection ends must not wait for ever: the subscription would end with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settling_and_subscribing_again_survive_cuts_under_traffic() {
    run(async |world| {
        let proxy = Proxy::start(&url()).await;
        let broker = world.connect(&proxy.url(&url()));
        let traffic = {
            let source = world.broker.clone();
            tokio::spawn(async move {
                // Waits while its own connection is down, which it is not here.
                while source.publish_event("job.started", "{}".into()).await.is_ok() {
                    tokio::task::yield_now().await;
                }
            })
        };
        let mut consumer = broker.consume_events(50);
        let mut subscriptions = consumer.subscriptions();
        for cut in 1..=10 {
            let consumed = async {
                while *subscriptions.borrow_and_update() < cut {
                    tokio::select! {
                        delivery = consumer.next() => { let _ = delivery.unwrap().ack().await; }
                        changed = subscriptions.changed() => changed.unwrap(),
                    }
                }
                // Some are under way when the connection is cut.
                for _ in 0..20 {
                    next(&mut consumer).await.ack().await.unwrap();
                }
            };
            timeout(Duration::from_secs(30), consumed).await.unwrap_or_else(|_| panic!("not subscribed again after cut {}", cut - 1));
            proxy.set(Mode::Cut);
            let ends = async { while next(&mut consumer).await.ack().await.is_ok() {} };
            // Either an acknowledgement fails, or none is left.
            let _ = timeout(Duration::from_millis(200), ends).await;
            proxy.set(Mode::Open);
        }
        traffic.abort();
        broker.close().await;
    })
    .await;
}
