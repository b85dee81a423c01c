//! Why a job has not started.

use api_types::{Job, JobAssignment};
use domain::ids::{JobId, WorkerId};
use e2e::{Delivery, World, on_both};
use serde_json::{Value, json};
use test_support::eventually;
use uuid::Uuid;

use crate::support::{calm, claim, register, with};

on_both!(
    missing_paused_and_busy_workers_are_a_reason,
    pauses_are_a_reason,
    limits_name_who_holds_them,
    times_are_a_reason,
    the_position_in_the_queue_is_a_reason,
    a_job_that_does_not_wait_has_no_reason,
);

async fn execute(world: &World, queue: &str, automation: Value, parameters: Value) -> Job {
    let mut body = json!({"name": Uuid::new_v4(), "queue_name": queue, "script_path": "x"});
    body.as_object_mut().unwrap().extend(automation.as_object().unwrap().clone());
    let automation = world.client.automation(&body).await;
    world.client.execute(&automation, &parameters).await
}

/// Waits until the job waits for this reason, and returns the facts; the sentence must contain `words`.
async fn reason(world: &World, job: JobId, code: &str, words: &str) -> Value {
    let what = format!("the job waits for {code}");
    let found = eventually(&what, async || world.client.job(job).await.waiting_reason.filter(|reason| reason.code.as_str() == code)).await;
    assert!(found.message.contains(words), "{found:?}");
    let listed: Vec<Job> = world.client.get("/api/v1/jobs?status=pending&limit=1000").await.expect(200).json();
    let listed = listed.into_iter().find(|other| other.id == job).and_then(|job| job.waiting_reason);
    assert_eq!(listed.map(|reason| reason.code.as_str()), Some(code), "the list says the same");
    json!(found.facts)
}

async fn take(world: &World, worker: WorkerId, queue: &str, holding: &[JobId]) -> Vec<JobAssignment> {
    claim(world, worker, &[queue], json!({"wait_s": 10, "holding": holding})).await
}

async fn missing_paused_and_busy_workers_are_a_reason(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("served");
    let first = execute(&world, &queue, json!({}), json!({})).await;
    assert_eq!(reason(&world, first.id, "no_live_worker", "no live worker").await, json!({"queue": queue}));
    let special = execute(&world, &queue, json!({"requires": ["sap", "Windows"]}), json!({})).await;
    assert_eq!(special.requires, ["sap", "windows"]);
    let body = json!({"name": "one", "queues": [queue], "slots": 1, "labels": ["sap"]});
    let worker: WorkerId = world.client.report("/register", None, &body).await.expect(200).json::<api_types::RegisterResponse>().worker_id;
    let facts = reason(&world, special.id, "no_worker_with_labels", "sap, windows").await;
    assert_eq!(facts, json!({"queue": queue, "labels": ["sap", "windows"]}));
    let given = take(&world, worker, &queue, &[]).await;
    assert_eq!(given[0].job_id, first.id);
    let next = execute(&world, &queue, json!({}), json!({})).await;
    assert_eq!(reason(&world, next.id, "all_slots_busy", "all 1 slots").await, json!({"queue": queue, "slots": 1}));
    let _paused = world.client.post(&format!("/api/v1/workers/{worker}/pause"), &json!({})).await.expect(200);
    assert_eq!(reason(&world, next.id, "worker_paused", "one").await, json!({"workers": ["one"]}));
    world.end().await;
}

async fn pauses_are_a_reason(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("quiet");
    let _worker = register(&world, "awake", &[&queue]).await;
    let job = execute(&world, &queue, json!({}), json!({})).await;
    let until = "2035-01-02T03:04:05Z";
    let _paused =
        world.client.post(&format!("/api/v1/automations/{}/pause", job.automation_id), &json!({"until": until})).await.expect(200);
    assert_eq!(reason(&world, job.id, "automation_paused", until).await, json!({"until": until}));
    let _paused = world.client.post(&format!("/api/v1/queues/{queue}/pause"), &json!({})).await.expect(200);
    let facts = reason(&world, job.id, "queue_paused", "until somebody resumes it").await;
    assert_eq!(facts, json!({"queue": queue, "until": null}));
    world.end().await;
}

async fn limits_name_who_holds_them(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("limits");
    let worker = register(&world, "w", &[&queue]).await;
    let limited = json!({"name": "limited", "queue_name": queue, "script_path": "x", "max_concurrency": 1});
    let limited = world.client.automation(&limited).await;
    let first = world.client.execute(&limited, &json!({})).await;
    assert_eq!(take(&world, worker, &queue, &[]).await[0].job_id, first.id);
    let second = world.client.execute(&limited, &json!({})).await;
    let facts = reason(&world, second.id, "concurrency_limit", &first.id.to_string()).await;
    assert_eq!(facts, json!({"limit": 1, "held_by": [first.id]}));
    let template = format!("{queue}:{{cnpj}}");
    let keyed = execute(&world, &queue, json!({"concurrency_key": template}), json!({"cnpj": 7})).await;
    assert_eq!(take(&world, worker, &queue, &[first.id]).await[0].job_id, keyed.id);
    let other = execute(&world, &queue, json!({"concurrency_key": template}), json!({"cnpj": 7})).await;
    let facts = reason(&world, other.id, "concurrency_key_limit", &keyed.id.to_string()).await;
    assert_eq!(facts, json!({"key": format!("{queue}:7"), "limit": 1, "held_by": [keyed.id]}));
    let rated = json!({"name": "rated", "queue_name": queue, "script_path": "x", "rate_limit": {"max": 1, "per_s": 3600.0}});
    let rated = world.client.automation(&rated).await;
    let third = world.client.execute(&rated, &json!({})).await;
    assert_eq!(take(&world, worker, &queue, &[first.id, keyed.id]).await[0].job_id, third.id);
    let fourth = world.client.execute(&rated, &json!({})).await;
    assert!(reason(&world, fourth.id, "rate_limit", "allows the next start at").await["next_at"].is_string());
    world.end().await;
}

async fn times_are_a_reason(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("later");
    let at = "2030-05-06T07:08:09Z";
    let automation = json!({"name": "later", "queue_name": queue, "script_path": "x", "retry_policy": {"max_attempts": 2, "base_s": 600, "jitter": 0.0}});
    let automation = world.client.automation(&automation).await;
    let body = json!({"automation_id": automation.id, "not_before": at});
    let job: Job = world.client.post("/api/v1/jobs", &body).await.expect(202).json();
    assert_eq!(reason(&world, job.id, "not_before", at).await, json!({"at": at}));
    let failing = world.client.execute(&automation, &json!({})).await;
    let _started = crate::support::start(&world, failing.id).await;
    let _failed = crate::support::report(&world, failing.id, "finish", &json!({"status": "failed"})).await.expect(200);
    let jobs: Vec<Job> = world.client.get("/api/v1/jobs?trigger=RETRY").await.expect(200).json();
    let retry = jobs.iter().find(|job| job.retry_of == Some(failing.id)).unwrap();
    assert!(reason(&world, retry.id, "retry_due", "the retry is due at").await["at"].is_string());
    world.end().await;
}

async fn the_position_in_the_queue_is_a_reason(delivery: Delivery) {
    let world = with(delivery, |settings| settings.dispatch.window = 0).await;
    let queue = world.queue("line");
    let _worker = register(&world, "w", &[&queue]).await;
    let line = json!({"name": "line", "queue_name": queue, "script_path": "x"});
    let automation = world.client.automation(&line).await;
    let mut jobs = Vec::new();
    for priority in [5, 5, 9] {
        let path = format!("/api/v1/automations/{}/execute?priority={priority}", automation.id);
        jobs.push(world.client.post(&path, &json!({})).await.expect(202).json::<Job>().id);
    }
    for (job, ahead, words) in [(jobs[2], 0, "the next job"), (jobs[0], 1, "1 job is ahead"), (jobs[1], 2, "2 jobs are ahead")] {
        assert_eq!(reason(&world, job, "behind", words).await, json!({"jobs_ahead": ahead}));
    }
    world.end().await;
}

async fn a_job_that_does_not_wait_has_no_reason(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = crate::support::running(&world).await;
    assert_eq!(world.client.job(job.id).await.waiting_reason, None);
    let _ended = crate::support::report(&world, job.id, "finish", &json!({"status": "completed"})).await.expect(200);
    assert_eq!(world.client.job(job.id).await.waiting_reason, None);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_broker_is_a_reason() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://127.0.0.1:{}", nobody.local_addr().unwrap().port());
    drop(nobody);
    let world = with(Delivery::Queue, move |settings| settings.broker.url = url.into()).await;
    let queue = world.queue("away");
    let body = json!({"name": "amqp", "queues": [queue], "slots": 1, "uses_broker": true});
    let _worker = world.client.report("/register", None, &body).await.expect(200);
    let job = execute(&world, &queue, json!({}), json!({})).await;
    assert_eq!(reason(&world, job.id, "broker_unreachable", "when it is back").await, json!({}));
    world.end().await;
}
