//! How the jobs of an automation wait, start and end: stored as given, and passed to workers.

use std::time::Duration;

use api_types::{Automation, Job, JobAssignment};
use domain::job::ErrorClass;
use e2e::{Delivery, on_both};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{self, calm, claim, register};

on_both!(
    policies_are_stored_as_given,
    absent_fields_have_their_defaults,
    null_clears_what_may_be_empty,
    on_worker_lost_decides_about_a_retry,
);

fn policies() -> Value {
    json!({"queue_timeout_s": 60, "cancel_grace_s": 0, "concurrency_key": "sefaz:{empresa.cnpj}", "concurrency_key_limit": 2,
        "rate_limit": {"max": 10, "per_s": 60.0}, "overlap": "replace", "on_worker_lost": "fail", "requires": ["sap", "windows"],
        "display": true, "cpu_limit": 1.5, "memory_limit_bytes": 1_073_741_824})
}

fn usual() -> Value {
    json!({"queue_timeout_s": null, "cancel_grace_s": null, "concurrency_key": null, "concurrency_key_limit": 1, "rate_limit": null,
        "overlap": "queue", "on_worker_lost": null, "requires": [], "display": false, "cpu_limit": null, "memory_limit_bytes": null,
        "paused_at": null, "paused_until": null, "paused_reason": null, "paused_by": null})
}

#[track_caller]
fn assert_shows(shown: &Value, expected: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[key], value, "{key}");
    }
}

fn with(mut body: Value, more: Value) -> Value {
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

async fn policies_are_stored_as_given(delivery: Delivery) {
    let world = calm(delivery).await;
    let client = &world.client;
    let body = with(json!({"name": "p", "queue_name": world.queue("p"), "script_path": "x"}), policies());
    let created: Value =
        client.post("/api/v1/automations", &with(body, json!({"requires": ["Windows", "SAP", "sap"]}))).await.expect(201).json();
    assert_shows(&created, &policies());
    let path = format!("/api/v1/automations/{}", created["id"]);
    assert_eq!(client.get(&path).await.expect(200).json::<Value>(), created);
    let edited = client.request(Method::PUT, &path).json(&json!({"priority": 1, "overlap": "skip"}));
    let edited: Value = client.send(edited).await.expect(200).json();
    assert_shows(&edited, &with(policies(), json!({"overlap": "skip", "priority": 1})));
    world.end().await;
}

async fn absent_fields_have_their_defaults(delivery: Delivery) {
    let world = calm(delivery).await;
    let body = json!({"name": "p", "queue_name": world.queue("p"), "script_path": "x"});
    let created: Value = world.client.post("/api/v1/automations", &body).await.expect(201).json();
    assert_shows(&created, &usual());
    world.end().await;
}

async fn null_clears_what_may_be_empty(delivery: Delivery) {
    let world = calm(delivery).await;
    let client = &world.client;
    let body = with(json!({"name": "p", "queue_name": world.queue("p"), "script_path": "x"}), policies());
    let before = client.automation(&body).await;
    let path = format!("/api/v1/automations/{}", before.id);
    let change = json!({"queue_timeout_s": null, "cancel_grace_s": null, "concurrency_key": null, "rate_limit": null,
        "on_worker_lost": null, "cpu_limit": null, "memory_limit_bytes": null, "requires": [], "overlap": "queue", "display": false,
        "concurrency_key_limit": 1});
    let cleared: Value = client.send(client.request(Method::PUT, &path).json(&change)).await.expect(200).json();
    assert_shows(&cleared, &usual());
    let kept: Automation = serde_json::from_value(cleared).unwrap();
    assert_eq!((kept.name, kept.queue_name, kept.retry_policy), (before.name, before.queue_name, before.retry_policy));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_gets_the_limits_and_the_grace_of_the_job() {
    let world = calm(Delivery::Pull).await;
    let limits = json!({"cancel_grace_s": 3, "display": true, "cpu_limit": 0.5, "memory_limit_bytes": 1_i64 << 53});
    for (name, more, expected_policies) in [
        ("limits", limits, (Some(3), true, Some(0.5), Some(1_u64 << 53))),
        ("no limits", json!({}), (None, false, None, None)),
        ("at once", json!({"cancel_grace_s": 0}), (Some(0), false, None, None)),
    ] {
        let queue = world.queue(name);
        let worker = register(&world, name, &[&queue]).await;
        let automation = world.client.automation(&with(json!({"name": name, "queue_name": queue, "script_path": "x"}), more)).await;
        let job = world.client.execute(&automation, &json!({})).await;
        let claimed: Vec<JobAssignment> = claim(&world, worker, &[&queue], json!({"wait_s": 5})).await;
        let [found] = claimed.as_slice() else { panic!("{name}: {claimed:?}") };
        assert_eq!(found.job_id, job.id);
        assert_eq!((found.cancel_grace_s, found.display, found.cpu_limit, found.memory_limit_bytes), expected_policies, "{name}");
    }
    world.end().await;
}

async fn on_worker_lost_decides_about_a_retry(delivery: Delivery) {
    let world = support::with(delivery, |settings| settings.lease.silent = Duration::from_millis(1)).await;
    let client = &world.client;
    let patient = json!({"max_attempts": 5, "base_s": 600});
    let picky = json!({"max_attempts": 5, "base_s": 600, "never_on": ["WORKER_LOST"]});
    for (name, rule, policy, retries) in [
        ("no rule, no retry", json!(null), json!({}), 0),
        ("no rule, the policy's retry", json!(null), patient.clone(), 1),
        ("retry, though the policy has one attempt", json!("retry"), json!({}), 1),
        ("retry, though the policy excludes it", json!("retry"), picky, 1),
        ("fail, though the policy would retry", json!("fail"), patient, 0),
    ] {
        let body =
            json!({"name": name, "queue_name": world.queue(name), "script_path": "x", "on_worker_lost": rule, "retry_policy": policy});
        let automation = client.automation(&body).await;
        let job = client.execute(&automation, &json!({})).await;
        let _lost = support::start(&world, job.id).await;
        let ended = client.ended(job.id).await;
        assert_eq!(ended.error_class, Some(ErrorClass::WorkerLost), "{name}");
        // A retry is inserted in the same transaction as the end.
        let jobs: Vec<Job> = client.get(&format!("/api/v1/jobs?automation_id={}", automation.id)).await.expect(200).json();
        assert_eq!(jobs.iter().filter(|other| other.retry_of == Some(job.id)).count(), retries, "{name}");
    }
    world.end().await;
}
