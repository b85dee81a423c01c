//! The examples do real work.

use domain::job::{ErrorClass, Status};
use domain::log::Level;
use e2e::{Delivery, World, on_both};
use serde_json::{Value, json};

on_both!(invoices_are_summed_up, a_broken_invoice_fails_usefully, urls_are_probed, a_missing_program_is_launch_failed);

fn registration(example: &str, queue: &str) -> Value {
    let path = format!("{}/../../examples/{example}/automation.json", env!("CARGO_MANIFEST_DIR"));
    let mut body: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    body["queue_name"] = queue.into();
    body
}

async fn invoices_are_summed_up(delivery: Delivery) {
    let world = World::start(delivery).await;
    let queue = world.queue("nfe");
    let automation = world.client.automation(&registration("nfe-summary", &queue)).await;
    let worker = world.worker(&[&queue], 2);
    let job = world.client.execute(&automation, &json!({})).await;
    let job = world.client.ended(job.id).await;
    assert_eq!((job.status, job.error_message.as_deref()), (Status::Completed, None));
    let result = job.result.unwrap();
    assert_eq!((&result["invoices"], &result["total"]), (&json!(12), &json!("61222.93")));
    assert_eq!(result["issuers"].as_array().unwrap().len(), 4);
    let progress = job.progress.unwrap();
    assert_eq!((progress.step, progress.total_steps, progress.percent), (Some(12), Some(12), Some(100.0)));
    let logs = world.client.logs(job.id).await;
    assert_eq!(logs.iter().map(|line| line.log_id).collect::<Vec<_>>(), (1..=14).collect::<Vec<_>>());
    assert!(logs[0].message.starts_with("12 XML file(s)") && logs[13].message.contains("61222.93"), "{logs:?}");
    worker.stop().await;
    world.end().await;
}

async fn a_broken_invoice_fails_usefully(delivery: Delivery) {
    let world = World::start(delivery).await;
    let queue = world.queue("nfe");
    let automation = world.client.automation(&registration("nfe-summary", &queue)).await;
    let worker = world.worker(&[&queue], 1);
    let job = world.client.execute(&automation, &json!({"input_dir": "samples-broken"})).await;
    let job = world.client.ended(job.id).await;
    assert_eq!((job.status, job.error_class), (Status::Failed, Some(ErrorClass::RobotError)));
    assert_eq!(job.result.unwrap()["problems"].as_array().unwrap().len(), 3);
    let errors = world.client.logs(job.id).await.into_iter().filter(|line| line.level == Level::Error).count();
    assert!(errors >= 3, "{errors} error lines");
    worker.stop().await;
    world.end().await;
}

async fn urls_are_probed(delivery: Delivery) {
    let world = World::start(delivery).await;
    let queue = world.queue("http");
    let automation = world.client.automation(&registration("http-check", &queue)).await;
    let worker = world.worker(&[&queue], 1);
    let up = format!("{}/api/v1/health", world.url());
    let down = format!("{}/nowhere", world.url());
    let job = world.client.execute(&automation, &json!({"urls": [up, down]})).await;
    let job = world.client.ended(job.id).await;
    assert_eq!((job.status, job.error_class), (Status::Failed, Some(ErrorClass::RobotError)));
    let result = job.result.unwrap();
    assert_eq!((&result["checked"], &result["up"], &result["down"]), (&json!(2), &json!(1), &json!(1)));
    worker.stop().await;
    world.end().await;
}

async fn a_missing_program_is_launch_failed(delivery: Delivery) {
    let world = World::start(delivery).await;
    let queue = world.queue("none");
    let body = json!({"name": "none", "queue_name": queue, "entrypoint_type": "EXE", "script_path": "/no/such/program"});
    let automation = world.client.automation(&body).await;
    let worker = world.worker(&[&queue], 1);
    let job = world.client.execute(&automation, &json!({})).await;
    let job = world.client.ended(job.id).await;
    assert_eq!((job.status, job.error_class), (Status::Failed, Some(ErrorClass::LaunchFailed)));
    assert!(job.error_message.unwrap().contains("/no/such/program"));
    worker.stop().await;
    world.end().await;
}
