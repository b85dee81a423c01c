//! Results of robots.

use domain::job::{ErrorClass, Status};
use e2e::{Delivery, on_both};
use serde_json::json;

use crate::support::{shell, world_with};

on_both!(a_result_that_the_hub_refuses_changes_nothing_else, a_robot_says_why_it_failed, an_access_key_keeps_its_digits);

async fn a_result_that_the_hub_refuses_changes_nothing_else(delivery: Delivery) {
    let world = world_with(delivery, |settings| settings.http.body_limit = 65_536).await;
    let queue = world.queue("big");
    let write = "echo done; head -c 100000 /dev/zero | tr '\\0' x | sed 's/^/{\"x\": \"/; s/$/\"}/' > result.json\n";
    let worker = world.worker(&[&queue], 1);
    for (ends, status, class) in [("", Status::Completed, None), ("exit 3\n", Status::Failed, Some(ErrorClass::RobotError))] {
        let automation = shell(&world, &queue, &format!("{write}{ends}"), json!({"retry_policy": {"max_attempts": 1}})).await;
        let job = world.client.execute(&automation, &json!({})).await;
        let job = world.client.ended(job.id).await;
        assert_eq!((job.status, job.error_class, job.result), (status, class, None), "{:?}", job.error_message);
        assert_eq!(job.error_message.as_deref(), class.map(|_| "exit code 3"));
        let lines: Vec<String> = world.client.logs(job.id).await.into_iter().map(|line| line.message).collect();
        assert!(lines.iter().any(|line| line == "done"), "{lines:?}");
        assert!(lines.last().is_some_and(|line| line.starts_with("the result of 100008 bytes is lost")), "{lines:?}");
    }
    worker.stop().await;
    world.end().await;
}

async fn a_robot_says_why_it_failed(delivery: Delivery) {
    let world = world_with(delivery, |_| {}).await;
    let queue = world.queue("why");
    let result = r#"{"error": "senha recusada", "error_class": "CREDENTIAL_INVALID", "loja": 7}"#;
    let script = format!("echo noise >&2; echo '{result}' > result.json; exit 1\n");
    let automation = shell(&world, &queue, &script, json!({"retry_policy": {"max_attempts": 3, "base_s": 0}})).await;
    let worker = world.worker(&[&queue], 1);
    let job = world.client.execute(&automation, &json!({})).await;
    let job = world.client.ended(job.id).await;
    assert_eq!((job.error_class, job.error_message.as_deref()), (Some(ErrorClass::CredentialInvalid), Some("exit code 1: senha recusada")));
    assert_eq!(job.result.unwrap()["loja"], json!(7));
    let jobs: Vec<api_types::Job> = world.client.get(&format!("/api/v1/jobs?automation_id={}", automation.id)).await.expect(200).json();
    assert_eq!(jobs.len(), 1, "another attempt would lock the account");
    worker.stop().await;
    world.end().await;
}

/// As `json.dump` writes an `int` of Python.
async fn an_access_key_keeps_its_digits(delivery: Delivery) {
    let world = world_with(delivery, |_| {}).await;
    let queue = world.queue("key");
    let key = "35260112345678000195550010000001231000001234";
    let automation = shell(&world, &queue, &format!("echo '{{\"chaves\": [{key}]}}' > result.json\n"), json!({})).await;
    let worker = world.worker(&[&queue], 1);
    let job = world.client.execute(&automation, &json!({})).await;
    assert_eq!(world.client.ended(job.id).await.result, Some(json!({"chaves": [key]})));
    worker.stop().await;
    world.end().await;
}
