//! Who asked stands with what they changed.

use api_types::{Automation, Job, JobEvent, WorkerToken, WorkerTokenCreated};
use domain::{ids::JobId, job::Trigger};
use e2e::{Delivery, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::eventually;
use uuid::Uuid;

use crate::support::{automation, calm, fields, report, service_token, start};

on_both!(
    a_job_says_who_requested_it,
    a_service_says_for_whom_it_asks,
    a_person_asks_for_themselves_alone,
    an_event_says_who_did_it,
    an_automation_and_a_token_say_who_changed_them
);

async fn requested_by(world: &World, who: &str) -> Vec<JobId> {
    let jobs: Vec<Job> = world.client.get(&format!("/api/v1/jobs?requested_by={who}")).await.expect(200).json();
    assert!(jobs.iter().all(|job| job.requested_by.as_deref() == Some(who)), "{jobs:?}");
    jobs.into_iter().map(|job| job.id).collect()
}

async fn a_job_says_who_requested_it(delivery: Delivery) {
    let world = calm(delivery).await;
    let policy = json!({"name": "n", "queue_name": world.queue("who"), "script_path": "x",
        "retry_policy": {"max_attempts": 2, "base_s": 0.01, "max_s": 0.01}});
    let automation = world.client.automation(&policy).await;
    let token = service_token(&world).await;
    let body = json!({"automation_id": automation.id});
    let asked = world.client.bare(Method::POST, "/api/v1/jobs").bearer_auth(&token).json(&body);
    let first: Job = world.client.send(asked).await.expect(202).json();
    assert_eq!(first.requested_by.as_deref(), Some("service:scheduler"));
    start(&world, first.id).await;
    let _failed = report(&world, first.id, "finish", &json!({"status": "failed"})).await.expect(200);
    let second =
        eventually("the policy's retry", async || requested_by(&world, "service:scheduler").await.into_iter().find(|id| *id != first.id))
            .await;
    assert_eq!(requested_by(&world, "service:scheduler").await, [second, first.id], "the policy asks for whoever asked first");
    let retried: Job = world.client.post(&format!("/api/v1/jobs/{}/retry", first.id), &json!({})).await.expect(202).json();
    assert_eq!((retried.trigger, retried.requested_by.as_deref()), (Trigger::Retry, Some("admin")));
    let executed = world.client.execute(&automation, &json!({})).await;
    assert_eq!(requested_by(&world, "admin").await, [executed.id, retried.id]);
    assert_eq!(world.client.job(executed.id).await.requested_by, executed.requested_by);
    assert!(requested_by(&world, "nobody").await.is_empty());
    world.end().await;
}

async fn a_service_says_for_whom_it_asks(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "others").await;
    let token = service_token(&world).await;
    let ask = async |body: &Value| world.client.send(world.client.bare(Method::POST, "/api/v1/jobs").bearer_auth(&token).json(body)).await;
    let (schedule, version) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let body = json!({"automation_id": automation.id, "trigger": "SCHEDULED", "requested_by": "ana", "schedule_id": schedule,
        "version_id": version, "environment": "HML", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "idempotency_key": "k"});
    let id = ask(&body).await.expect(202).json::<Job>().id;
    let job = world.client.job(id).await;
    assert_eq!((job.trigger, job.requested_by.as_deref(), job.schedule_id), (Trigger::Scheduled, Some("ana"), Some(schedule.into())));
    assert_eq!((job.version_id, job.environment.as_deref()), (Some(version.into()), Some("HML")));
    let with = |field: &str, value: Value| {
        let mut other = body.clone();
        other[field] = value;
        other
    };
    let again = with("traceparent", json!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01"));
    assert_eq!(ask(&again).await.expect(202).json::<Job>().id, id, "repeated in another span");
    for (field, value) in
        [("environment", json!("PROD")), ("version_id", json!(schedule)), ("overlap", json!("skip")), ("retry_backoff_s", json!(9))]
    {
        assert_eq!(fields(&ask(&with(field, value)).await.problem(422)), ["idempotency_key"], "{field}: another request");
    }
    for (field, value) in [
        ("trigger", "RETRY"),
        ("trigger", "scheduled"),
        ("requested_by", ""),
        ("environment", "a b"),
        ("traceparent", "1"),
        ("schedule_id", "1"),
    ] {
        let mut other = with("idempotency_key", Value::Null);
        other[field] = json!(value);
        assert_eq!(fields(&ask(&other).await.problem(422)), [field], "{value}");
    }
    world.end().await;
}

async fn a_person_asks_for_themselves_alone(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "alone").await;
    for (field, value) in [
        ("trigger", json!("MANUAL")),
        ("requested_by", json!("bea")),
        ("schedule_id", json!(Uuid::nil())),
        ("overlap", json!("replace")),
        ("max_concurrency", json!(1)),
        ("retry_backoff_s", json!(0)),
        ("version_id", json!(Uuid::nil())),
        ("environment", json!("PROD")),
        ("traceparent", json!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
    ] {
        let mut body = json!({"automation_id": automation.id});
        body[field] = value;
        let problem = world.client.post("/api/v1/jobs", &body).await.problem(422);
        assert_eq!(fields(&problem), [field], "{problem:?}");
    }
    let jobs: Vec<Job> = world.client.get("/api/v1/jobs").await.expect(200).json();
    assert!(jobs.is_empty(), "{jobs:?}");
    world.end().await;
}

async fn an_event_says_who_did_it(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "events").await;
    let job = world.client.execute(&automation, &json!({})).await.id;
    let _canceled = world.client.post(&format!("/api/v1/jobs/{job}/cancel"), &json!({})).await.expect(200);
    let _late = report(&world, job, "finish", &json!({"status": "completed"})).await.expect(200);
    let events: Vec<JobEvent> = world.client.get(&format!("/api/v1/jobs/{job}/events")).await.expect(200).json();
    let actors: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.actor.as_deref())).collect();
    assert_eq!(actors, [("job.cancel_requested", Some("admin")), ("job.finished_late", Some("worker-key"))]);
    world.end().await;
}

async fn an_automation_and_a_token_say_who_changed_them(delivery: Delivery) {
    let world = calm(delivery).await;
    let made = automation(&world, "changed").await;
    assert_eq!(made.updated_by.as_deref(), Some("admin"));
    let place = format!("/api/v1/automations/{}", made.id);
    let sent_back = world.client.send(world.client.request(Method::PUT, &place).json(&made)).await;
    assert_eq!(sent_back.expect(200).json::<Automation>().updated_by.as_deref(), Some("admin"));
    let forged = json!({"updated_by": "ana"});
    let problem = world.client.send(world.client.request(Method::PUT, &place).json(&forged)).await.problem(422);
    assert_eq!(crate::support::fields(&problem), ["updated_by"]);
    let token: WorkerTokenCreated = world.client.post("/api/v1/worker-tokens", &json!({"name": "t"})).await.expect(201).json();
    assert_eq!((token.kept.created_by.as_str(), token.kept.revoked_by), ("admin", None));
    let revoke = world.client.request(Method::DELETE, &format!("/api/v1/worker-tokens/{}", token.kept.id));
    let _revoked = world.client.send(revoke).await.expect(204);
    let tokens: Vec<WorkerToken> = world.client.get("/api/v1/worker-tokens").await.expect(200).json();
    assert_eq!(tokens[0].revoked_by.as_deref(), Some("admin"));
    world.end().await;
}
