//! Which ends of real programs and workers are retried.

use std::path::Path;

use api_types::{Automation, Job};
use domain::{
    ids::JobId,
    job::{ErrorClass, Status},
};
use e2e::{Delivery, World, on_both};
use serde_json::{Value, json};
use test_support::eventually;
use uuid::Uuid;

use crate::support::{UNTIL_GO, begun, shell, submit, worker_named, world_with};

on_both!(the_policy_decides_about_each_error_class, on_worker_lost_decides_about_a_retry, attempts_wait_for_their_time);

/// Attempts of an automation, the first one first.
async fn attempts(world: &World, automation: &Automation) -> Vec<Job> {
    let path = format!("/api/v1/jobs?limit=1000&automation_id={}", automation.id);
    let mut jobs: Vec<Job> = world.client.get(&path).await.expect(200).json();
    jobs.reverse();
    jobs
}

/// Waits until no attempt is left to end. A retry is there as soon as its attempt has ended: they are one transaction.
async fn all_ended(world: &World, automation: &Automation) -> Vec<Job> {
    eventually("every attempt ends", async || {
        Some(attempts(world, automation).await).filter(|jobs| jobs.iter().all(|job| job.status.is_terminal()))
    })
    .await
}

/// Programs that fail, each in its way.
const FAILURES: [(&str, ErrorClass, Option<&str>); 4] = [
    ("exit 3\n", ErrorClass::RobotError, None),
    ("exec sleep 1000\n", ErrorClass::JobTimeout, None),
    ("kill -KILL $$\n", ErrorClass::Killed, None),
    ("", ErrorClass::LaunchFailed, Some("/no/such/program")),
];

async fn the_policy_decides_about_each_error_class(delivery: Delivery) {
    let world = World::start(delivery).await;
    let queue = world.queue("classes");
    let worker = world.worker(&[&queue], 8);
    let classes = ["JOB_TIMEOUT", "KILLED"];
    let policies = [
        (json!({"max_attempts": 2, "base_s": 0.05, "on": classes}), [1, 2, 2, 1]),
        (json!({"max_attempts": 2, "base_s": 0.05, "never_on": classes}), [2, 1, 1, 2]),
        (json!({"max_attempts": 3, "base_s": 0.05, "on": ["KILLED", "ROBOT_ERROR"], "never_on": ["KILLED"]}), [3, 1, 1, 1]),
    ];
    let mut expected = Vec::new();
    for (policy, numbers) in policies {
        for ((script, class, program), number) in FAILURES.into_iter().zip(numbers) {
            let mut more = json!({"retry_policy": policy, "timeout_s": if class == ErrorClass::JobTimeout { 1 } else { 1000 }});
            if let (Some(program), Value::Object(more)) = (program, &mut more) {
                more.extend([("script_path".to_owned(), json!(program)), ("entrypoint_type".to_owned(), json!("EXE"))]);
            }
            let automation = shell(&world, &queue, script, more).await;
            let _job = world.client.execute(&automation, &json!({})).await;
            expected.push((automation, policy.clone(), class, number));
        }
    }
    for (automation, policy, class, number) in expected {
        let jobs = all_ended(&world, &automation).await;
        assert!(jobs.iter().all(|job| job.error_class == Some(class)), "{jobs:?}");
        assert_eq!(jobs.iter().map(|job| job.attempt).collect::<Vec<_>>(), (1..=number).collect::<Vec<_>>(), "{class:?} under {policy}");
    }
    worker.stop().await;
    world.end().await;
}

/// A worker that runs a job of this automation and crashes.
async fn crash_with(world: &World, automation: &Automation, dir: &Path) -> JobId {
    let worker = world.worker(&[&automation.queue_name], 1);
    let job = submit(world, automation, dir, 0..1).await.remove(0);
    begun(dir, 1).await;
    worker.crash();
    job
}

async fn on_worker_lost_decides_about_a_retry(delivery: Delivery) {
    let world = world_with(delivery, |settings| settings.lease.agent = std::time::Duration::from_secs(1)).await;
    let many = json!({"max_attempts": 5, "base_s": 0.05});
    let once = json!({"max_attempts": 1, "base_s": 0.05});
    for (rule, policy, again) in [("fail", many.clone(), false), ("retry", once.clone(), true), ("", many, true), ("", once, false)] {
        let (queue, dir) = (world.queue(&format!("lost-{}", Uuid::new_v4().simple())), tempfile::tempdir().unwrap());
        let rule = if rule.is_empty() { Value::Null } else { json!(rule) };
        let automation = shell(&world, &queue, UNTIL_GO, json!({"retry_policy": policy, "on_worker_lost": rule})).await;
        let lost = crash_with(&world, &automation, dir.path()).await;
        let lost = world.client.ended(lost).await;
        assert_eq!((lost.status, lost.error_class), (Status::Failed, Some(ErrorClass::WorkerLost)));
        let jobs = attempts(&world, &automation).await;
        assert_eq!(jobs.len(), if again { 2 } else { 1 }, "{rule} with {policy}");
        if again {
            std::fs::write(dir.path().join("go"), "").unwrap();
            let settings = world.worker_settings(&[&queue], 1);
            let name = settings.name.clone().unwrap();
            let worker = world.worker_with(settings, None);
            let retry = world.client.ended(jobs[1].id).await;
            assert_eq!((retry.status, retry.retry_of), (Status::Completed, Some(lost.id)));
            assert_eq!(retry.worker_id, Some(worker_named(&world, &name).await.id));
            worker.stop().await;
        }
    }
    world.end().await;
}

async fn attempts_wait_for_their_time(delivery: Delivery) {
    let world = World::start(delivery).await;
    let queue = world.queue("backoff");
    let policy = json!({"max_attempts": 3, "backoff": "exponential", "base_s": 0.5, "jitter": 0});
    let automation = shell(&world, &queue, "exit 1\n", json!({"retry_policy": policy})).await;
    let worker = world.worker(&[&queue], 1);
    let _first = world.client.execute(&automation, &json!({})).await;
    let jobs = all_ended(&world, &automation).await;
    assert_eq!(jobs.len(), 3);
    for (pair, wait_ms) in jobs.windows(2).zip([500, 1000]) {
        let waited = pair[1].started_at.unwrap() - pair[0].completed_at.unwrap();
        assert!(waited.num_milliseconds() >= wait_ms, "{waited} before attempt {}", pair[1].attempt);
    }
    worker.stop().await;
    world.end().await;
}
