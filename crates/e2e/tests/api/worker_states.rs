//! Workers are listed, paused, resumed, and leave.

use std::time::Duration;

use api_types::{HeartbeatResponse, JobAssignment, Worker, WorkerDetail};
use domain::{ids::WorkerId, job::Status, worker::State};
use e2e::{Answer, Delivery, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::eventually;
use uuid::Uuid;

use crate::support::{automation, calm, claim, fields, register, replica, with};

on_both!(
    lists_take_filters_and_pages,
    a_pause_through_another_replica_takes_effect,
    each_action_requires_its_state,
    a_silent_worker_is_lost_and_returns,
    a_pause_outlives_a_restart_of_the_worker,
);

async fn act(world: &World, id: WorkerId, what: &str) -> Answer {
    world.client.post(&format!("/api/v1/workers/{id}/{what}"), &json!({})).await
}

async fn delete(world: &World, id: WorkerId) -> Answer {
    world.client.send(world.client.request(Method::DELETE, &format!("/api/v1/workers/{id}"))).await
}

async fn shown(world: &World, id: WorkerId) -> WorkerDetail {
    world.client.get(&format!("/api/v1/workers/{id}")).await.expect(200).json()
}

async fn beat(world: &World, id: WorkerId) -> HeartbeatResponse {
    world.client.report("/heartbeat", None, &json!({"worker_id": id})).await.expect(200).json()
}

async fn sign_off(world: &World, id: WorkerId) -> Answer {
    world.client.report("/goodbye", None, &json!({"worker_id": id})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_shown_with_what_it_reported() {
    let world = calm(Delivery::Pull).await;
    let automation = automation(&world, "shown").await;
    let queue = automation.queue_name.clone();
    let body = json!({"name": "r1", "queues": [queue], "slots": 3, "version": "2", "hostname": "pc", "labels": ["SAP", "windows", "sap"]});
    let registered: api_types::RegisterResponse = world.client.report("/register", None, &body).await.expect(200).json();
    let id = registered.worker_id;
    let job = world.client.execute(&automation, &json!({})).await;
    let given = eventually("the job is given", async || claim(&world, id, &[&queue], json!({"wait_s": 1})).await.pop()).await;
    let held = json!([{"job_id": job.id, "lease_token": given.lease_token}]);
    let body = json!({"worker_id": id, "jobs": held, "cpu_percent": 12.5, "memory_bytes": 1_u64 << 40});
    let _beat = world.client.report("/heartbeat", None, &body).await.expect(200);
    let WorkerDetail { worker, jobs } = shown(&world, id).await;
    assert_eq!((worker.name.as_str(), worker.state, worker.slots, worker.running_jobs), ("r1", State::Running, 3, 1));
    assert_eq!((worker.queues, worker.labels), (vec![queue], vec!["sap".to_owned(), "windows".to_owned()]));
    assert_eq!((worker.cpu_percent, worker.memory_bytes), (Some(12.5), Some(1 << 40)));
    assert!(worker.last_heartbeat_at > worker.registered_at && worker.paused_at.is_none());
    assert_eq!(
        jobs.iter().map(|job| (job.job_id, job.automation_id, job.status)).collect::<Vec<_>>(),
        [(job.id, automation.id, Status::Running)]
    );
    assert_eq!(world.client.get(&format!("/api/v1/workers/{}", Uuid::nil())).await.problem(404).code, "not_found");
    assert_eq!(fields(&world.client.get("/api/v1/workers/x").await.problem(400)), ["id"]);
    world.end().await;
}

async fn lists_take_filters_and_pages(delivery: Delivery) {
    let world = calm(delivery).await;
    for (name, queue, label) in [("a", "q1", "windows"), ("b", "q2", "windows"), ("c", "q1", "linux")] {
        let body = json!({"name": name, "queues": [queue], "slots": 1, "labels": [label]});
        let _registered = world.client.report("/register", None, &body).await.expect(200);
    }
    let names = async |query: &str| -> (Vec<String>, Option<String>) {
        let answer = world.client.get(&format!("/api/v1/workers?{query}")).await.expect(200);
        let link = answer.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
        (answer.json::<Vec<Worker>>().into_iter().map(|worker| worker.name).collect(), link)
    };
    for (query, expected) in [
        ("", vec!["a", "b", "c"]),
        ("queue=q1", vec!["a", "c"]),
        ("label=Windows", vec!["a", "b"]),
        ("queue=q1&label=windows&state=running", vec!["a"]),
        ("state=lost", vec![]),
    ] {
        assert_eq!(names(query).await.0, expected, "{query}");
    }
    let (first, link) = names("limit=2&state=running").await;
    let link = link.unwrap();
    let next = link.split(['?', '>']).nth(1).unwrap();
    assert_eq!((first, names(next).await.0), (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]));
    for (query, field) in [
        ("state=dead", "state"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("after=x", "after"),
        ("colour=red", "colour"),
        ("queue=%00", "queue"),
    ] {
        let problem = world.client.get(&format!("/api/v1/workers?{query}")).await.problem(400);
        assert!(problem.detail.contains(field), "{query}: {problem:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_worker_gets_no_new_jobs_and_is_notified() {
    let world = calm(Delivery::Pull).await;
    let automation = automation(&world, "paused").await;
    let queue = automation.queue_name.clone();
    let id = register(&world, "w", &[&queue]).await;
    let waiting = {
        let request = world.client.worker(Method::POST, "/jobs/claim").json(&json!({"worker_id": id, "queues": [queue], "wait_s": 30}));
        let client = world.client.clone();
        tokio::spawn(async move { client.send(request).await })
    };
    let paused: Worker = act(&world, id, "pause").await.expect(200).json();
    assert_eq!((paused.state, paused.paused_by.as_deref()), (State::Paused, Some("admin")));
    world.everywhere("the pause counts", async || beat(&world, id).await.drain).await;
    let job = world.client.execute(&automation, &json!({})).await;
    assert_eq!(claim(&world, id, &[&queue], json!({"wait_s": 0.1})).await, []);
    assert_eq!(world.client.job(job.id).await.status, Status::Pending);
    let resumed: Worker = act(&world, id, "resume").await.expect(200).json();
    assert_eq!((resumed.state, resumed.paused_at, resumed.paused_by), (State::Running, None, None));
    assert_eq!(waiting.await.unwrap().expect(200).json::<Vec<JobAssignment>>(), [], "it waited while the worker was paused");
    world.everywhere("the pause is over", async || !beat(&world, id).await.drain).await;
    let given = eventually("the job is given", async || claim(&world, id, &[&queue], json!({"wait_s": 1})).await.pop()).await;
    assert_eq!(given.job_id, job.id);
    world.end().await;
}

async fn a_pause_through_another_replica_takes_effect(delivery: Delivery) {
    let world = calm(delivery).await;
    let (other, client) = replica(&world).await;
    let id = register(&world, "w", &["q"]).await;
    let _paused = client.post(&format!("/api/v1/workers/{id}/pause"), &json!({})).await.expect(200);
    eventually("the first replica sees it", async || beat(&world, id).await.drain.then_some(())).await;
    let _resumed = client.post(&format!("/api/v1/workers/{id}/resume"), &json!({})).await.expect(200);
    eventually("and that it is over", async || (!beat(&world, id).await.drain).then_some(())).await;
    other.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_worker_gets_again_what_got_lost_on_the_way() {
    let world = calm(Delivery::Pull).await;
    let automation = automation(&world, "lost").await;
    let queue = automation.queue_name.clone();
    let id = register(&world, "w", &[&queue]).await;
    let first = world.client.execute(&automation, &json!({})).await;
    let given = eventually("the job is given", async || claim(&world, id, &[&queue], json!({"wait_s": 1})).await.pop()).await;
    let _second = world.client.execute(&automation, &json!({})).await;
    let _paused = act(&world, id, "pause").await.expect(200);
    world.everywhere("the pause counts", async || beat(&world, id).await.drain).await;
    let again = claim(&world, id, &[&queue], json!({"max": 10, "wait_s": 5})).await;
    assert_eq!(again.iter().map(|job| (job.job_id, job.lease_token)).collect::<Vec<_>>(), [(first.id, given.lease_token)]);
    assert_eq!(claim(&world, id, &[&queue], json!({"max": 10, "holding": [first.id]})).await, []);
    world.end().await;
}

async fn each_action_requires_its_state(delivery: Delivery) {
    let world = calm(delivery).await;
    let id = register(&world, "w", &["q"]).await;
    let refused = |answer: Answer, state: &str| {
        let problem = answer.problem(409);
        assert_eq!(problem.code, "wrong_state");
        assert!(problem.detail.contains(state), "{problem:?}");
    };
    refused(act(&world, id, "resume").await, "running");
    refused(delete(&world, id).await, "running");
    let _paused = act(&world, id, "pause").await.expect(200);
    refused(act(&world, id, "pause").await, "paused");
    refused(delete(&world, id).await, "paused");
    let _gone = sign_off(&world, id).await.expect(204);
    assert_eq!(shown(&world, id).await.worker.state, State::Stopped);
    refused(act(&world, id, "pause").await, "stopped");
    let resumed: Worker = act(&world, id, "resume").await.expect(200).json();
    assert_eq!((resumed.state, resumed.paused_at), (State::Stopped, None));
    refused(act(&world, id, "resume").await, "stopped");
    let _deleted = delete(&world, id).await.expect(204);
    for answer in [
        delete(&world, id).await,
        act(&world, id, "pause").await,
        act(&world, id, "resume").await,
        sign_off(&world, id).await,
        world.client.report("/heartbeat", None, &json!({"worker_id": id})).await,
        world.client.report("/jobs/claim", None, &json!({"worker_id": id, "queues": ["q"]})).await,
    ] {
        assert_eq!(answer.problem(404).code, "not_found");
    }
    assert_eq!(fields(&sign_off_with(&world, json!({"worker_id": "me"})).await.problem(422)), ["worker_id"]);
    world.end().await;
}

async fn sign_off_with(world: &World, body: Value) -> Answer {
    world.client.report("/goodbye", None, &body).await
}

async fn a_silent_worker_is_lost_and_returns(delivery: Delivery) {
    let world = with(delivery, |settings| {
        settings.lease.agent = Duration::from_millis(400);
        settings.lease.heartbeat = Duration::from_millis(100);
    })
    .await;
    let id = register(&world, "w", &["q"]).await;
    let lost = async || eventually("it is lost", async || (shown(&world, id).await.worker.state == State::Lost).then_some(())).await;
    lost().await;
    let problem = act(&world, id, "pause").await.problem(409);
    assert!(problem.detail.contains("lost"), "{problem:?}");
    beat(&world, id).await;
    let _seen = eventually("it is back", async || {
        beat(&world, id).await;
        (shown(&world, id).await.worker.state == State::Running).then_some(())
    })
    .await;
    lost().await;
    let _deleted = delete(&world, id).await.expect(204);
    world.end().await;
}

async fn a_pause_outlives_a_restart_of_the_worker(delivery: Delivery) {
    let world = calm(delivery).await;
    let id = register(&world, "w", &["q"]).await;
    let _paused = act(&world, id, "pause").await.expect(200);
    let _gone = sign_off(&world, id).await.expect(204);
    assert_eq!(register(&world, "w", &["q"]).await, id);
    assert_eq!(shown(&world, id).await.worker.state, State::Paused);
    assert!(beat(&world, id).await.drain);
    world.end().await;
}
