//! Workers of RPS Maestro: `examples/worker_example.py`, in plain pika and requests.

use std::process::Stdio;

use domain::job::{ErrorClass, Status};
use e2e::{Delivery, World};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::process::{Child, Command};

fn start(world: &World, queue: &str) -> Child {
    let python = std::env::var("TEST_PYTHON").expect("TEST_PYTHON is not set: run the tests with `make test`");
    Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/worker_example.py"))
        .env("QUEUE_NAME", queue)
        .env("RABBITMQ_URL", world.settings.broker_url().unwrap().expose_secret())
        .env("MAESTRO_URL", format!("{}/api/v1/worker", world.hub.url()))
        .env("MAESTRO_WORKER_API_KEY", world.hub.worker_key().expose_secret())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_maestro_worker_does_its_work() {
    let world = World::start(Delivery::Queue).await;
    let queue = world.queue("maestro");
    let body = json!({"name": "m", "queue_name": queue, "script_path": "/app/automation.py", "queue_profile": "maestro"});
    let automation = world.client.automation(&body).await;
    let mut worker = start(&world, &queue);
    let good = world.client.execute(&automation, &json!({"steps": 2, "seconds_per_step": 0.01})).await;
    let bad = world.client.execute(&automation, &json!({"steps": 1, "seconds_per_step": 0, "fail": true})).await;
    let good = world.client.ended(good.id).await;
    assert_eq!((good.status, good.error_message), (Status::Completed, None));
    assert!(good.result.is_some() && !world.client.logs(good.id).await.is_empty());
    assert_eq!(world.client.ended(bad.id).await.status, Status::Failed);
    worker.kill().await.unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_maestro_worker_killed_between_start_and_finish_is_lost_and_the_policy_decides() {
    let world = World::start(Delivery::Queue).await;
    let queue = world.queue("maestro");
    let body = json!({"name": "k", "queue_name": queue, "script_path": "/app/automation.py", "queue_profile": "maestro",
        "retry_policy": {"max_attempts": 2, "base_s": 0, "on": ["WORKER_LOST"]}});
    let automation = world.client.automation(&body).await;
    let mut worker = start(&world, &queue);
    let job = world.client.execute(&automation, &json!({"steps": 1000, "seconds_per_step": 0.05})).await;
    world.client.job_when(job.id, "starts", |job| job.status == Status::Running).await;
    worker.kill().await.unwrap();
    let lost = world.client.ended(job.id).await;
    assert_eq!((lost.status, lost.error_class), (Status::Failed, Some(ErrorClass::WorkerLost)));
    let jobs: Vec<api_types::Job> = world.client.get(&format!("/api/v1/jobs?automation_id={}", automation.id)).await.expect(200).json();
    assert_eq!((jobs.len(), jobs[0].retry_of, jobs[0].attempt), (2, Some(job.id), 2));
    world.end().await;
}
