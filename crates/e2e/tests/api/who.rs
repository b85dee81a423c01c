//! Who asked stands with what they changed.

use api_types::{Automation, Job, JobEvent, WorkerToken, WorkerTokenCreated};
use domain::job::Trigger;
use e2e::{Delivery, World, on_both};
use reqwest::Method;
use serde_json::json;
use test_support::eventually;
use uuid::Uuid;

use crate::support::{automation, calm, report, service_token, start};

on_both!(a_job_says_who_requested_it, an_event_says_who_did_it, an_automation_and_a_token_say_who_changed_them);

async fn requested_by(world: &World, who: &str) -> Vec<Uuid> {
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
