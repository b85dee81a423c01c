//! Two hubs on one database: neither sees at once what the other did.

use std::collections::BTreeSet;

use api_types::{Job, RegisterResponse, StartResponse};
use domain::{
    ids::{JobId, WorkerId},
    job::Status,
};
use e2e::{Client, Delivery, Shape, World};
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use crate::support::world_with;

async fn start(client: &Client, job: JobId, worker: WorkerId) -> e2e::Answer {
    client.report(&format!("/jobs/{job}/start"), None, &json!({"worker_id": worker})).await
}

async fn register(client: &Client, name: &str) -> WorkerId {
    let body = json!({"name": name, "queues": ["elsewhere"], "slots": 1});
    client.report("/register", None, &body).await.expect(200).json::<RegisterResponse>().worker_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_may_be_reported_to_any_hub_in_turn() {
    let world = world_with(Delivery::Queue, |settings| settings.lease.agent = std::time::Duration::from_secs(300)).await;
    let (other, there) = world.replica().await;
    let here = &world.client;
    let automation = here.automation(&json!({"name": "a", "queue_name": world.queue("turns"), "script_path": "x"})).await;
    let worker = register(here, "turns").await;
    for round in 0..20 {
        let job = here.execute(&automation, &json!({"round": round})).await.id;
        let lease = start(&there, job, worker).await.expect(200).json::<StartResponse>().lease_token;
        for (nth, client) in [here, &there, here, &there].into_iter().enumerate() {
            let entries = json!({"entries": [{"message": format!("line {nth}")}], "offset": nth});
            let _stored = client.report(&format!("/jobs/{job}/log"), Some(lease), &entries).await.expect(201);
            let beat = json!({"worker_id": worker, "jobs": [{"job_id": job, "lease_token": lease}]});
            let answer = client.report("/heartbeat", None, &beat).await.expect(200);
            assert_eq!(answer.json::<serde_json::Value>()["stale"], json!([]));
        }
        let _first =
            here.report(&format!("/jobs/{job}/finish"), Some(lease), &json!({"status": "completed", "result": {"n": 1}})).await.expect(200);
        let _late = there.report(&format!("/jobs/{job}/finish"), Some(lease), &json!({"status": "failed"})).await.expect(200);
        let job: Job = there.job(job).await;
        assert_eq!((job.status, job.result), (Status::Completed, Some(json!({"n": 1}))));
        let lines: Vec<String> = here.logs(job.id).await.into_iter().map(|line| line.message).collect();
        assert_eq!(lines, ["line 0", "line 1", "line 2", "line 3"]);
    }
    other.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_starts_at_two_hubs_wins() {
    let world = World::start(Delivery::Queue).await;
    let (other, there) = world.replica().await;
    let automation = world.client.automation(&json!({"name": "a", "queue_name": world.queue("race"), "script_path": "x"})).await;
    let mut workers = Vec::new();
    for nth in 0..6 {
        workers.push(register(&world.client, &format!("racer-{nth}")).await);
    }
    for _ in 0..30 {
        let job = world.client.execute(&automation, &json!({})).await.id;
        let hubs = [&world.client, &there];
        let starts = workers.iter().enumerate().map(|(nth, worker)| start(hubs[nth % 2], job, *worker));
        let answers = join_all(starts).await;
        let leases: BTreeSet<Uuid> =
            answers.iter().filter(|answer| answer.status == 200).map(|answer| answer.json::<StartResponse>().lease_token).collect();
        assert_eq!(leases.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|answer| [200, 409].contains(&answer.status.as_u16())), "{answers:?}");
        let finish = json!({"status": "completed"});
        let _ended = there.report(&format!("/jobs/{job}/finish"), leases.first().copied(), &finish).await.expect(200);
    }
    other.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_idempotency_key_at_two_hubs_is_one_job() {
    let world = World::start(Delivery::Queue).await;
    let (other, there) = world.replica().await;
    let automation = world.client.automation(&json!({"name": "a", "queue_name": world.queue("key"), "script_path": "x"})).await;
    for round in 0..20 {
        let key = format!("key-{round}");
        let hubs = [&world.client, &there];
        let execute = |nth: usize| {
            let path = format!("/api/v1/automations/{}/execute", automation.id);
            let request = hubs[nth % 2].request(reqwest::Method::POST, &path).header("Idempotency-Key", &key).json(&json!({}));
            hubs[nth % 2].send(request)
        };
        let answers = join_all((0..8).map(execute)).await;
        let jobs: BTreeSet<JobId> = answers.into_iter().map(|answer| answer.expect(202).json::<Job>().id).collect();
        assert_eq!(jobs.len(), 1);
    }
    other.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_is_reached_where_it_is_bound() {
    let bind = |settings: &mut runtime::Settings| settings.http.bind = "127.0.0.2:0".to_owned();
    let only = Some(Shape::Together.only("it is about the address of one process"));
    let options = e2e::Options { settings: Some(Box::new(bind)), only, ..e2e::Options::default() };
    let world = World::start_with(Delivery::Pull, options).await;
    assert_eq!(world.hub.url(), format!("http://127.0.0.2:{}", world.hub.port()));
    let _health = world.client.get("/api/v1/health").await.expect(200);
    world.end().await;
}
