//! Dead letters are replayed.

use std::sync::Arc;

use api_types::{DeadLetter, DeadLetterDetail};
use broker::Broker;
use domain::job::{ErrorClass, Status};
use e2e::{Delivery, GatedRunner, World};
use secrecy::ExposeSecret;
use serde_json::json;
use test_support::eventually;

fn connect(world: &World) -> Broker {
    Broker::connect(world.settings.broker_url().unwrap().expose_secret(), "test").unwrap()
}

async fn only_letter(world: &World) -> DeadLetter {
    eventually("the message is kept", async || world.client.get("/api/v1/dead-letters").await.expect(200).json::<Vec<DeadLetter>>().pop())
        .await
}

async fn replay(world: &World, letter: &DeadLetter) -> DeadLetter {
    world.client.post(&format!("/api/v1/dead-letters/{}/replay", letter.id), &json!({})).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_message_was_rejected_runs_again_when_it_is_replayed() {
    let world = World::start(Delivery::Queue).await;
    let queue = world.queue("again");
    let automation = world.client.automation(&json!({"name": "a", "queue_name": queue, "script_path": "x"})).await;
    let job = world.client.execute(&automation, &json!({"cnpj": "1"})).await;
    let broker = connect(&world);
    let mut consumer = broker.consume(&queue, 1);
    consumer.next().await.unwrap().reject().await.unwrap();
    drop(consumer);
    assert_eq!(world.client.ended(job.id).await.error_class, Some(ErrorClass::DeadLettered));
    let letter = only_letter(&world).await;
    assert_eq!((letter.job_id, letter.queue_name.as_str(), letter.reason.as_str()), (Some(job.id), queue.as_str(), "rejected"));
    let replayed = replay(&world, &letter).await;
    let runner = GatedRunner::default();
    runner.open(1);
    let worker = world.worker_with(world.worker_settings(&[&queue], 1), Some(Arc::new(runner.clone())));
    let new = world.client.ended(replayed.new_job_id.unwrap()).await;
    assert_eq!((new.status, new.retry_of, new.parameters), (Status::Completed, Some(job.id), job.parameters));
    worker.stop().await;
    broker.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_robot_that_refuses_a_job_before_its_start_keeps_its_reason() {
    let world = World::start(Delivery::Queue).await;
    let queue = world.queue("refused");
    let body = json!({"name": "a", "queue_name": queue, "script_path": "x", "retry_policy": {"max_attempts": 3, "base_s": 0}});
    let automation = world.client.automation(&body).await;
    let job = world.client.execute(&automation, &json!({"cnpj": "?"})).await;
    let broker = connect(&world);
    let mut consumer = broker.consume(&queue, 1);
    let message = consumer.next().await.unwrap();
    let refused = json!({"status": "failed", "result": {"error": "cnpj is not a number", "error_class": "INVALID_PARAMETERS"}});
    let _ended = world.client.report(&format!("/jobs/{}/finish", job.id), None, &refused).await.expect(200);
    message.reject().await.unwrap();
    assert_eq!(only_letter(&world).await.job_id, Some(job.id));
    let ended = world.client.job(job.id).await;
    let why = (ended.status, ended.error_class, ended.error_message.as_deref());
    assert_eq!(why, (Status::Failed, Some(ErrorClass::InvalidParameters), Some("cnpj is not a number")));
    let attempts: Vec<api_types::Job> = world.client.get(&format!("/api/v1/jobs?automation_id={}", automation.id)).await.expect(200).json();
    assert_eq!(attempts.len(), 1);
    broker.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_without_a_job_is_published_to_its_queue_again() {
    let world = World::start(Delivery::Queue).await;
    let queue = world.queue("foreign");
    let broker = connect(&world);
    // With its first message the hub has declared the queue and its dead-letter side.
    let automation = world.client.automation(&json!({"name": "a", "queue_name": queue, "script_path": "x"})).await;
    world.client.execute(&automation, &json!({})).await;
    let mut consumer = broker.consume(&queue, 1);
    consumer.next().await.unwrap().ack().await.unwrap();
    let headers = [("traceparent".to_owned(), "00-1".to_owned())];
    broker.publish(&queue, "{\"order\": \"ação\"}".into(), &headers).await.unwrap();
    consumer.next().await.unwrap().reject().await.unwrap();
    let letter = only_letter(&world).await;
    let whole: DeadLetterDetail = world.client.get(&format!("/api/v1/dead-letters/{}", letter.id)).await.expect(200).json();
    assert_eq!((whole.body.as_str(), whole.body_is_whole, whole.job), ("{\"order\": \"ação\"}", true, None));
    let replayed = replay(&world, &letter).await;
    assert_eq!((replayed.replayed_by.as_deref(), replayed.new_job_id), (Some("admin"), None));
    let delivery = consumer.next().await.unwrap();
    assert_eq!((&delivery.body[..], &delivery.headers[..]), ("{\"order\": \"ação\"}".as_bytes(), &headers[..]));
    delivery.ack().await.unwrap();
    let again = world.client.post(&format!("/api/v1/dead-letters/{}/replay", letter.id), &json!({})).await;
    assert_eq!(again.problem(409).code, "already_replayed");
    broker.close().await;
    world.end().await;
}
