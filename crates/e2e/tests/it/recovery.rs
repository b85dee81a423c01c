//! Recovery after crashes.

use std::{sync::Arc, time::Duration};

use domain::job::{ErrorClass, Status, Trigger};
use e2e::{Delivery, GatedRunner, Options, Robots, World, on_both};
use serde_json::json;
use test_support::eventually;

on_both!(
    waiting_jobs_survive_a_restart_of_the_hub,
    a_running_job_outlives_a_restart_of_the_hub,
    a_crashed_worker_loses_its_job_and_the_policy_decides,
    a_failed_job_is_retried_as_often_as_the_policy_allows,
    the_policy_excludes_classes_from_retries,
);

async fn waiting_jobs_survive_a_restart_of_the_hub(delivery: Delivery) {
    let world = World::start(delivery).await;
    let queue = world.queue("waiting");
    let automation = world.client.automation(&json!({"name": "w", "queue_name": queue, "script_path": "x"})).await;
    let mut jobs = Vec::new();
    for _ in 0..25 {
        jobs.push(world.client.execute(&automation, &json!({})).await.id);
    }
    let world = world.restart().await;
    let runner = GatedRunner::default();
    runner.open(100);
    let worker = world.worker_with(world.worker_settings(&[&queue], 4), Some(Arc::new(runner.clone())));
    for id in &jobs {
        assert_eq!(world.client.ended(*id).await.status, Status::Completed);
    }
    let mut started = runner.started();
    started.sort_unstable();
    assert_eq!(started, jobs, "each once");
    worker.stop().await;
    world.end().await;
}

async fn a_running_job_outlives_a_restart_of_the_hub(delivery: Delivery) {
    // Longer than several processes take to start again on a busy machine.
    let lease = |settings: &mut runtime::Settings| settings.lease.agent = Duration::from_secs(60);
    let world = World::start_with(delivery, Options { settings: Some(Box::new(lease)), ..Options::default() }).await;
    let queue = world.queue("outlive");
    let script = "i=0; while [ $i -lt 20 ]; do echo line $i; i=$((i+1)); sleep 0.05; done; echo '{\"n\":20}' > result.json\n";
    let script = Robots::new(world.folder.path()).shell("robot.sh", script);
    let body = json!({"name": "o", "queue_name": queue, "entrypoint_type": "SHELL", "script_path": script});
    let automation = world.client.automation(&body).await;
    let worker = world.worker(&[&queue], 1);
    let job = world.client.execute(&automation, &json!({})).await;
    world.client.job_when(job.id, "starts", |job| job.status == Status::Running).await;
    let world = world.restart().await;
    let job = world.client.ended(job.id).await;
    assert_eq!((job.status, job.result), (Status::Completed, Some(json!({"n": 20}))), "{:?}", job.error_message);
    let lines: Vec<String> = world.client.logs(job.id).await.into_iter().map(|line| line.message).collect();
    assert_eq!(lines, (0..20).map(|n| format!("line {n}")).collect::<Vec<_>>());
    worker.stop().await;
    world.end().await;
}

async fn a_crashed_worker_loses_its_job_and_the_policy_decides(delivery: Delivery) {
    let world = World::start(delivery).await;
    let queue = world.queue("crash");
    let body = json!({"name": "c", "queue_name": queue, "script_path": "x",
        "retry_policy": {"max_attempts": 2, "base_s": 0.1, "on": ["WORKER_LOST"]}});
    let automation = world.client.automation(&body).await;
    let runner = GatedRunner::default();
    let worker = world.worker_with(world.worker_settings(&[&queue], 1), Some(Arc::new(runner.clone())));
    let job = world.client.execute(&automation, &json!({"a": 1})).await;
    eventually("the job starts", async || (runner.started() == [job.id]).then_some(())).await;
    worker.crash();
    let lost = world.client.ended(job.id).await;
    assert_eq!((lost.status, lost.error_class), (Status::Failed, Some(ErrorClass::WorkerLost)));
    runner.open(1);
    let second = world.worker_with(world.worker_settings(&[&queue], 1), Some(Arc::new(runner.clone())));
    let retry = eventually("the retry starts", async || runner.started().get(1).copied()).await;
    let retry = world.client.ended(retry).await;
    assert_eq!((retry.status, retry.retry_of, retry.attempt, retry.trigger), (Status::Completed, Some(job.id), 2, Trigger::Retry));
    assert_eq!(retry.parameters, job.parameters);
    second.stop().await;
    world.end().await;
}

async fn a_failed_job_is_retried_as_often_as_the_policy_allows(delivery: Delivery) {
    let world = World::start(delivery).await;
    let queue = world.queue("retry");
    let script = Robots::new(world.folder.path()).shell("robot.sh", "echo attempt >> \"$PARAM_FILE\"; exit 3\n");
    let body = json!({"name": "r", "queue_name": queue, "entrypoint_type": "SHELL", "script_path": script,
        "retry_policy": {"max_attempts": 3, "base_s": 0.1, "jitter": 0}});
    let automation = world.client.automation(&body).await;
    let worker = world.worker(&[&queue], 2);
    let file = world.folder.path().join("attempts");
    world.client.execute(&automation, &json!({"file": file})).await;
    let path = format!("/api/v1/jobs?automation_id={}&status=failed", automation.id);
    let jobs = eventually("three attempts fail", async || {
        let jobs: Vec<api_types::Job> = world.client.get(&path).await.expect(200).json();
        Some(jobs).filter(|jobs| jobs.len() == 3)
    })
    .await;
    assert_eq!(jobs.iter().map(|job| job.attempt).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!((jobs[0].retry_of, jobs[1].retry_of), (Some(jobs[1].id), Some(jobs[2].id)));
    // A fourth would be due by now: the tick is 50 ms.
    world.hub.reconcile("expired_leases").await.unwrap();
    let all: Vec<api_types::Job> = world.client.get(&format!("/api/v1/jobs?automation_id={}", automation.id)).await.expect(200).json();
    assert_eq!(all.len(), 3);
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 3);
    worker.stop().await;
    world.end().await;
}

async fn the_policy_excludes_classes_from_retries(delivery: Delivery) {
    let world = World::start(delivery).await;
    let queue = world.queue("never");
    let body = json!({"name": "n", "queue_name": queue, "entrypoint_type": "EXE", "script_path": "/no/such",
        "retry_policy": {"max_attempts": 5, "base_s": 0, "never_on": ["LAUNCH_FAILED"]}});
    let automation = world.client.automation(&body).await;
    let worker = world.worker(&[&queue], 1);
    let job = world.client.execute(&automation, &json!({})).await;
    assert_eq!(world.client.ended(job.id).await.error_class, Some(ErrorClass::LaunchFailed));
    let all: Vec<api_types::Job> = world.client.get(&format!("/api/v1/jobs?automation_id={}", automation.id)).await.expect(200).json();
    assert_eq!(all.len(), 1);
    worker.stop().await;
    world.end().await;
}
