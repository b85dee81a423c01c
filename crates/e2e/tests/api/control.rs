//! What people do to jobs: cancel, pause, resume, retry, one or many.

use std::time::Duration;

use api_types::{Automation, BulkResponse, CancellationResponse, HeartbeatResponse, Job, JobEvent, StartResponse};
use domain::{
    ids::{JobId, WorkerId},
    job::{Status, Trigger},
};
use e2e::{Answer, Delivery, Options, World, on_both};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{ask, automation, calm, claim, fields, pending, register, report, running};

on_both!(
    a_waiting_job_is_canceled_at_once,
    cancellation_of_a_running_job_is_requested,
    a_job_is_paused_and_resumed,
    each_wrong_state_is_named,
    a_job_that_has_ended_runs_again,
    many_jobs_are_counted_then_canceled,
    many_jobs_are_retried_once,
    bad_requests_name_their_fields,
    jobs_are_listed_by_queue_and_error_class,
);

async fn act(world: &World, job: JobId, action: &str) -> Answer {
    world.client.post(&format!("/api/v1/jobs/{job}/{action}"), &json!({})).await
}

/// A job that a registered worker runs, with the worker and its lease token.
async fn held(world: &World) -> (Job, WorkerId, Uuid) {
    let worker = register(world, &format!("w-{}", Uuid::new_v4().simple()), &["elsewhere"]).await;
    let job = pending(world).await;
    let given: StartResponse = report(world, job.id, "start", &json!({"worker_id": worker})).await.expect(200).json();
    (job, worker, given.lease_token)
}

async fn beat(world: &World, (job, worker, lease): &(Job, WorkerId, Uuid)) -> HeartbeatResponse {
    let body = json!({"worker_id": worker, "jobs": [{"job_id": job.id, "lease_token": lease}]});
    world.client.report("/heartbeat", None, &body).await.expect(200).json()
}

async fn kinds(world: &World, job: JobId) -> Vec<String> {
    let events: Vec<JobEvent> = world.client.get(&format!("/api/v1/jobs/{job}/events")).await.expect(200).json();
    assert!(events.iter().all(|event| event.detail["by"] == "admin" && event.actor.as_deref() == Some("admin")), "{events:?}");
    events.into_iter().map(|event| event.kind).collect()
}

async fn a_waiting_job_is_canceled_at_once(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "stopped").await;
    let job = world.client.execute(&automation, &json!({})).await;
    let reason = json!({"reason": "enviado por engano"});
    let canceled: Job = world.client.post(&format!("/api/v1/jobs/{}/cancel", job.id), &reason).await.expect(200).json();
    assert_eq!((canceled.status, canceled.error_class), (Status::Canceled, None));
    assert!(canceled.completed_at.is_some() && canceled.started_at.is_none());
    let events: Vec<JobEvent> = world.client.get(&format!("/api/v1/jobs/{}/events", job.id)).await.expect(200).json();
    assert_eq!(
        (events[0].kind.as_str(), &events[0].detail),
        ("job.cancel_requested", &json!({"by": "admin", "reason": "enviado por engano"}))
    );
    assert_eq!(report(&world, job.id, "start", &json!({})).await.problem(409).code, "wrong_state");
    let worker = register(&world, "late", &[&automation.queue_name]).await;
    assert_eq!(claim(&world, worker, &[&automation.queue_name], json!({})).await, []);
    world.end().await;
}

async fn cancellation_of_a_running_job_is_requested(delivery: Delivery) {
    let world = calm(delivery).await;
    let held = held(&world).await;
    assert!(beat(&world, &held).await.cancel.is_empty());
    for _ in 0..2 {
        let asked: Job = act(&world, held.0.id, "cancel").await.expect(202).json();
        assert_eq!(asked.status, Status::Running);
        assert!(asked.cancellation_requested_at.is_some());
    }
    assert_eq!(beat(&world, &held).await.cancel, [held.0.id]);
    assert_eq!(kinds(&world, held.0.id).await, ["job.cancel_requested"], "asking again changes nothing");
    let finish = world.client.report(&format!("/jobs/{}/finish", held.0.id), Some(held.2), &json!({"status": "canceled"})).await;
    assert_eq!(finish.expect(200).json::<Value>()["status"], "canceled");
    let foreign = running(&world).await;
    assert!(!ask(&world, foreign.id, "cancellation").await.expect(200).json::<CancellationResponse>().cancellation_requested);
    assert_eq!(act(&world, foreign.id, "cancel").await.expect(202).json::<Job>().status, Status::Running);
    assert!(ask(&world, foreign.id, "cancellation").await.expect(200).json::<CancellationResponse>().cancellation_requested);
    world.end().await;
}

async fn a_job_is_paused_and_resumed(delivery: Delivery) {
    let world = calm(delivery).await;
    let held = held(&world).await;
    let paused: Job = act(&world, held.0.id, "pause").await.expect(200).json();
    assert_eq!(paused.status, Status::Paused);
    assert!(paused.paused_at.is_some());
    assert_eq!(beat(&world, &held).await.paused, [held.0.id]);
    let resumed: Job = act(&world, held.0.id, "resume").await.expect(200).json();
    assert_eq!((resumed.status, resumed.paused_at), (Status::Running, None));
    assert!(beat(&world, &held).await.paused.is_empty());
    let again: Job = act(&world, held.0.id, "pause").await.expect(200).json();
    assert_eq!(act(&world, held.0.id, "cancel").await.expect(202).json::<Job>().status, Status::Paused);
    assert_eq!(again.id, held.0.id);
    assert_eq!(kinds(&world, held.0.id).await, ["job.paused", "job.resumed", "job.paused", "job.cancel_requested"]);
    world.end().await;
}

async fn each_wrong_state_is_named(delivery: Delivery) {
    let world = calm(delivery).await;
    let held = held(&world).await;
    let waiting = pending(&world).await;
    let ended = pending(&world).await;
    let _canceled = act(&world, ended.id, "cancel").await.expect(200);
    let foreign = running(&world).await;
    let table = [
        (waiting.id, "pause", "wrong_state", "pending"),
        (waiting.id, "resume", "wrong_state", "pending"),
        (waiting.id, "retry", "wrong_state", "pending"),
        (held.0.id, "resume", "wrong_state", "running"),
        (held.0.id, "retry", "wrong_state", "running"),
        (ended.id, "cancel", "wrong_state", "canceled"),
        (ended.id, "pause", "wrong_state", "canceled"),
        (ended.id, "resume", "wrong_state", "canceled"),
        (foreign.id, "pause", "not_controllable", "cancel works"),
    ];
    for (job, action, code, word) in table {
        let problem = act(&world, job, action).await.problem(409);
        assert!(problem.code == code && problem.detail.contains(word), "{action}: {problem:?}");
    }
    for action in ["cancel", "pause", "resume", "retry"] {
        assert_eq!(act(&world, Uuid::now_v7().into(), action).await.problem(404).code, "not_found");
        assert_eq!(world.client.post(&format!("/api/v1/jobs/7/{action}"), &json!({})).await.problem(400).code, "bad_query");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_a_lost_worker_is_not_paused_and_is_canceled_at_once() {
    // No reconciler runs for expired leases before the test is over.
    let settings = |settings: &mut runtime::Settings| {
        settings.lease.agent = Duration::from_millis(300);
        settings.dispatch.tick = Duration::from_secs(600);
    };
    let options = Options { settings: Some(Box::new(settings)), ..Options::default() };
    let world = World::start_with(Delivery::Pull, options).await;
    let (job, ..) = held(&world).await;
    let lost = |job: &Job| job.lease_expires_at.is_some_and(|at| at < chrono::Utc::now());
    world.client.job_when(job.id, "has lost its worker", lost).await;
    let paused = act(&world, job.id, "pause").await;
    assert_eq!(paused.json::<Value>()["code"], "worker_lost");
    assert!(paused.problem(409).detail.contains("lost"));
    assert_eq!(act(&world, job.id, "cancel").await.expect(200).json::<Job>().status, Status::Canceled);
    world.end().await;
}

async fn a_job_that_has_ended_runs_again(delivery: Delivery) {
    let world = calm(delivery).await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let body = json!({"name": "again", "queue_name": world.queue("again"), "script_path": "x", "parameter_schema": schema});
    let automation = world.client.automation(&body).await;
    let path = format!("/api/v1/automations/{}/execute?priority=8", automation.id);
    let first: Job = world.client.post(&path, &json!({"n": 1})).await.expect(202).json();
    let _canceled = act(&world, first.id, "cancel").await.expect(200);
    let second: Job = act(&world, first.id, "retry").await.expect(202).json();
    assert_eq!((second.trigger, second.retry_of, second.attempt, second.priority), (Trigger::Retry, Some(first.id), 1, 8));
    assert_eq!((second.parameters, second.status), (first.parameters.clone(), Status::Pending));
    let edited = json!({"parameters": {"n": 2}, "priority": 3});
    let third: Job = world.client.post(&format!("/api/v1/jobs/{}/retry", first.id), &edited).await.expect(202).json();
    assert_eq!((json!(third.parameters), third.priority), (json!({"n": 2}), 3));
    for (body, field) in [
        (json!({"parameters": {"n": "two"}}), "n"),
        (json!({"parameters": []}), "parameters"),
        (json!({"priority": 10}), "priority"),
        (json!({"priority": -1}), "priority"),
        (json!({"colour": 1}), "colour"),
    ] {
        let answer = world.client.post(&format!("/api/v1/jobs/{}/retry", first.id), &body).await;
        assert!(answer.text.contains(field) && answer.status.is_client_error(), "{body}: {answer:?}");
    }
    world.end().await;
}

async fn jobs(world: &World, automation: &Automation, count: usize) -> Vec<JobId> {
    let mut jobs = Vec::new();
    for _ in 0..count {
        jobs.push(world.client.execute(automation, &json!({})).await.id);
    }
    jobs
}

async fn many_jobs_are_counted_then_canceled(delivery: Delivery) {
    let world = calm(delivery).await;
    let (mine, other) = (automation(&world, "mine").await, automation(&world, "other").await);
    let ids = jobs(&world, &mine, 5).await;
    let _other = jobs(&world, &other, 1).await;
    let _started = report(&world, ids[0], "start", &json!({})).await.expect(200);
    let _gone = act(&world, ids[1], "cancel").await.expect(200);
    let cancel = async |body: Value| -> BulkResponse { world.client.post("/api/v1/jobs/bulk/cancel", &body).await.expect(200).json() };
    let counted = cancel(json!({"automation_id": mine.id, "dry_run": true})).await;
    assert_eq!(counted, BulkResponse { dry_run: true, matched: 4, ..BulkResponse::default() });
    assert_eq!(world.client.job(ids[4]).await.status, Status::Pending, "counting does nothing");
    assert_eq!(cancel(json!({"queue_name": mine.queue_name, "status": ["running"], "dry_run": true})).await.matched, 1);
    assert_eq!(cancel(json!({"ids": [ids[2], ids[1]], "dry_run": true})).await.matched, 1);
    let done = cancel(json!({"automation_id": mine.id, "reason": "manutenção"})).await;
    assert_eq!(done, BulkResponse { matched: 4, done: 4, ..BulkResponse::default() });
    assert!(world.client.job(ids[0]).await.cancellation_requested_at.is_some());
    for id in &ids[1..] {
        assert_eq!(world.client.job(*id).await.status, Status::Canceled);
    }
    assert_eq!(cancel(json!({"automation_id": other.id, "dry_run": true})).await.matched, 1);
    world.end().await;
}

async fn many_jobs_are_retried_once(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "failing").await;
    let ids = jobs(&world, &automation, 3).await;
    for (id, class) in ids.iter().zip(["ROBOT_ERROR", "JOB_TIMEOUT", "ROBOT_ERROR"]) {
        let _started = report(&world, *id, "start", &json!({})).await.expect(200);
        let end = json!({"status": "failed", "error_class": class, "error_message": "x"});
        let _ended = report(&world, *id, "finish", &end).await.expect(200);
    }
    let retry = async |body: Value| -> BulkResponse { world.client.post("/api/v1/jobs/bulk/retry", &body).await.expect(200).json() };
    let class = json!({"automation_id": automation.id, "error_class": "ROBOT_ERROR"});
    assert_eq!(retry(class.clone()).await, BulkResponse { matched: 2, done: 2, ..BulkResponse::default() });
    assert_eq!(retry(class).await, BulkResponse::default(), "not a second time");
    assert_eq!(retry(json!({"automation_id": automation.id})).await.done, 1);
    let retried: Vec<Job> =
        world.client.get(&format!("/api/v1/jobs?automation_id={}&trigger=RETRY", automation.id)).await.expect(200).json();
    let mut again: Vec<JobId> = retried.into_iter().filter_map(|job| job.retry_of).collect();
    again.sort_unstable();
    assert_eq!(again, ids);
    world.end().await;
}

async fn bad_requests_name_their_fields(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = pending(&world).await;
    let long = json!({"reason": "x".repeat(1001)});
    for path in [format!("/api/v1/jobs/{}/cancel", job.id), format!("/api/v1/jobs/{}/pause", job.id)] {
        assert_eq!(fields(&world.client.post(&path, &long).await.problem(422)), ["reason"]);
        assert_eq!(fields(&world.client.post(&path, &json!({"reason": 5})).await.problem(422)), ["reason"]);
        assert_eq!(fields(&world.client.post(&path, &json!({"why": "x"})).await.problem(422)), ["why"]);
    }
    let table = [
        ("cancel", json!({}), "ids"),
        ("cancel", json!({"status": ["pending"]}), "ids"),
        ("cancel", json!({"automation_id": 1, "status": ["completed"]}), "status/0"),
        ("retry", json!({"automation_id": 1, "status": ["failed", "running"]}), "status/1"),
        ("retry", json!({"automation_id": -1.5}), "automation_id"),
        ("retry", json!({"trigger": "NOBODY"}), "trigger"),
        ("retry", json!({"error_class": "BAD_LUCK"}), "error_class"),
        ("retry", json!({"created_from": "yesterday"}), "created_from"),
        ("cancel", json!({"created_to": "-262143-01-01T00:00:00Z"}), "created_to"),
        ("cancel", json!({"queue_name": "a\u{0}"}), "queue_name"),
        ("cancel", json!({"ids": ["x"]}), "ids/0"),
        ("cancel", json!({"ids": vec![job.id; 1001]}), "ids"),
        ("cancel", json!({"ids": [job.id], "dry_run": "yes"}), "dry_run"),
        ("cancel", json!({"colour": "red"}), "colour"),
    ];
    for (action, body, field) in table {
        let problem = world.client.post(&format!("/api/v1/jobs/bulk/{action}"), &body).await.problem(422);
        assert_eq!(fields(&problem), [field], "{action} {body}: {problem:?}");
    }
    assert_eq!(world.client.job(job.id).await.status, Status::Pending, "nothing was done");
    world.end().await;
}

async fn jobs_are_listed_by_queue_and_error_class(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "listed").await;
    let ids = jobs(&world, &automation, 2).await;
    let _other = pending(&world).await;
    let _started = report(&world, ids[0], "start", &json!({})).await.expect(200);
    let _ended = report(&world, ids[0], "finish", &json!({"status": "failed"})).await.expect(200);
    let list = async |query: &str| -> Vec<JobId> {
        let found: Vec<Job> = world.client.get(&format!("/api/v1/jobs?{query}")).await.expect(200).json();
        found.into_iter().map(|job| job.id).collect()
    };
    assert_eq!(list(&format!("queue_name={}", automation.queue_name)).await, [ids[1], ids[0]]);
    assert_eq!(list("error_class=ROBOT_ERROR").await, [ids[0]]);
    assert_eq!(fields(&world.client.get("/api/v1/jobs?error_class=x").await.problem(400)), ["error_class"]);
    world.end().await;
}
