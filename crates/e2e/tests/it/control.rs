//! Workers are notified at once over the broker.

use broker::{Broker, Consumer, QueueProfile};
use domain::worker::State;
use e2e::{Delivery, World, on_both};
use messages::{WorkerControl, worker_control::Command};
use secrecy::ExposeSecret;
use serde_json::json;
use test_support::eventually;

on_both!(an_agent_that_stops_signs_off, an_agent_that_crashes_is_lost);

async fn state(world: &World) -> Option<State> {
    world.client.get("/api/v1/workers").await.expect(200).json::<Vec<api_types::Worker>>().pop().map(|worker| worker.state)
}

async fn an_agent_that_stops_signs_off(delivery: Delivery) {
    let world = World::start(delivery).await;
    let worker = world.worker(&[&world.queue("q")], 1);
    eventually("it runs", async || (state(&world).await == Some(State::Running)).then_some(())).await;
    worker.stop().await;
    assert_eq!(state(&world).await, Some(State::Stopped));
    world.end().await;
}

async fn an_agent_that_crashes_is_lost(delivery: Delivery) {
    let world = World::start(delivery).await;
    let worker = world.worker(&[&world.queue("q")], 1);
    eventually("it runs", async || (state(&world).await == Some(State::Running)).then_some(())).await;
    worker.crash();
    eventually("it is lost", async || (state(&world).await == Some(State::Lost)).then_some(())).await;
    world.end().await;
}

async fn received(consumer: &mut Consumer) -> (Command, String) {
    let delivery = consumer.next().await.unwrap();
    let message: WorkerControl = serde_json::from_slice(&delivery.body).unwrap();
    delivery.ack().await.unwrap();
    (message.command(), message.job_id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connected_worker_is_notified_to_drain_and_to_take_again() {
    let world = World::start(Delivery::Queue).await;
    let broker = Broker::connect(world.settings.broker_url().unwrap().expose_secret(), "test").unwrap();
    let body = json!({"name": "w", "queues": ["q"], "slots": 1, "uses_broker": true});
    let worker = world.client.report("/register", None, &body).await.expect(200).json::<api_types::RegisterResponse>().worker_id;
    let queue = format!("regente.control.{worker}");
    eventually("the queue is there", async || broker.ensure_queue(&queue, QueueProfile::Plain).await.ok()).await;
    eventually("the hub has its broker", async || {
        let health: api_types::Health = world.client.get("/api/v1/health").await.expect(200).json();
        (health.broker == domain::health::Broker::Ok).then_some(())
    })
    .await;
    let mut consumer = broker.consume(&queue, 1);
    let act = async |what: &str| world.client.post(&format!("/api/v1/workers/{worker}/{what}"), &json!({})).await.expect(200);
    act("pause").await;
    assert_eq!(received(&mut consumer).await, (Command::Drain, String::new()));
    act("resume").await;
    assert_eq!(received(&mut consumer).await, (Command::Take, String::new()));
    broker.close().await;
    world.end().await;
}

/// A claiming worker has no consumer on its control queue: that is neither a fault nor a dead letter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_a_control_queue_is_paused_all_the_same() {
    let world = World::start(Delivery::Queue).await;
    let body = json!({"name": "w", "queues": ["q"], "slots": 1});
    let worker = world.client.report("/register", None, &body).await.expect(200).json::<api_types::RegisterResponse>().worker_id;
    for what in ["pause", "resume", "pause"] {
        let _done = world.client.post(&format!("/api/v1/workers/{worker}/{what}"), &json!({})).await.expect(200);
    }
    let beat = async || world.client.report("/heartbeat", None, &json!({"worker_id": worker})).await.expect(200);
    world.everywhere("the pause counts", async || beat().await.json::<api_types::HeartbeatResponse>().drain).await;
    assert_eq!(world.client.get("/api/v1/dead-letters").await.expect(200).json::<Vec<api_types::DeadLetter>>(), []);
    world.end().await;
}
