//! Real services behind a real gateway.

use std::time::Duration;

use domain::job::Status;
use e2e::{Delivery, Options, Robots, Shape, World};
use futures_util::StreamExt as _;
use regente::{Hub, HubOptions};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use test_support::eventually;

async fn apart(delivery: Delivery) -> World {
    World::start_with(delivery, Options { only: Some(Shape::Apart.only("it is about the hop through the gateway")), ..Options::default() })
        .await
}

/// Runs a robot that counts, through the gateway, and reads its log from there.
async fn agent_runs_a_job(delivery: Delivery) {
    let world = apart(delivery).await;
    let queue = world.queue("apart");
    let script = Robots::new(world.folder.path()).shell("count.sh", "for i in 1 2 3; do echo \"line $i\"; done\n");
    let body = json!({"name": "a", "queue_name": queue, "entrypoint_type": "SHELL", "script_path": script});
    let automation = world.client.automation(&body).await;
    let worker = world.worker(&[&queue], 2);
    let job = world.client.execute(&automation, &json!({})).await;
    let ended = world.client.ended(job.id).await;
    assert_eq!(ended.status, Status::Completed, "{ended:?}");
    let lines: Vec<String> = world.client.logs(job.id).await.into_iter().map(|line| line.message).collect();
    assert!(lines.iter().any(|line| line.contains("line 3")), "{lines:?}");
    worker.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_claims_through_the_gateway() {
    agent_runs_a_job(Delivery::Pull).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_of_rabbitmq_reports_through_the_gateway() {
    agent_runs_a_job(Delivery::Queue).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_pass_and_larger_ones_are_refused() {
    let world = apart(Delivery::Pull).await;
    let automation = world.client.automation(&json!({"name": "a", "queue_name": world.queue("q"), "script_path": "x"})).await;
    let text = "x".repeat(3_900_000);
    let job = world.client.execute(&automation, &json!({"text": text})).await;
    assert_eq!(world.client.job(job.id).await.parameters["text"], json!(text));
    let too_large = json!({"text": "x".repeat(4_200_000)});
    let refused = world.client.post(&format!("/api/v1/automations/{}/execute", automation.id), &too_large).await;
    assert_eq!(refused.problem(413).code, "too_large");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_streams_through_the_gateway() {
    let world = apart(Delivery::Pull).await;
    let automation = world.client.automation(&json!({"name": "a", "queue_name": world.queue("q"), "script_path": "x"})).await;
    let job = world.client.execute(&automation, &json!({})).await.id;
    let _started = world.client.report(&format!("/jobs/{job}/start"), None, &json!({})).await.expect(200);
    let response = world.client.request(Method::GET, &format!("/api/v1/jobs/{job}/logs/stream")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["content-type"]), (200, &"text/event-stream".parse().unwrap()));
    let (mut body, mut text) = (response.bytes_stream(), String::new());
    for word in ["first", "second"] {
        let _logged = world.client.report(&format!("/jobs/{job}/log"), None, &json!({"level": "INFO", "message": word})).await.expect(201);
        while !text.contains(word) {
            text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
        }
    }
    let _finished = world.client.report(&format!("/jobs/{job}/finish"), None, &json!({"status": "completed"})).await.expect(200);
    while let Some(chunk) = body.next().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    assert!(text.contains("event: end"), "{text}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_around_the_gateway_is_no_more_powerful() {
    let world = apart(Delivery::Pull).await;
    let at = |path: &str| format!("{}{path}", world.hub.url());
    assert_eq!(reqwest::get(at("/api/v1/jobs")).await.unwrap().status(), 401);
    let token = world.door().access_token().await.unwrap();
    let known = reqwest::Client::new().get(at("/api/v1/jobs")).bearer_auth(token).send().await.unwrap();
    assert_eq!(known.status(), 200);
    // A worker whose key is wrong is told by the service, whose operators see it.
    let refused = world.client.bare(Method::POST, "/api/v1/worker/register").header("X-Worker-API-Key", "wrong").json(&json!({}));
    assert_eq!(world.client.send(refused).await.problem(401).code, "unauthorized");
    let status: Value = world.client.get("/api/v1/ops/status").await.expect(200).json();
    assert_eq!(status["refused_keys"], json!(1), "{status}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_orchestrators_may_die() {
    let world = apart(Delivery::Queue).await;
    let mut settings = world.settings.clone();
    settings.data_dir = world.folder.path().join("second");
    settings.worker.api_key = world.hub.worker_key().clone();
    let second = Hub::start_with(settings.clone(), HubOptions::default(), vec![Box::new(orchestrator::Service)]).await.unwrap();
    settings.data_dir = world.folder.path().join("edge");
    settings.services.orchestrator = vec![world.hub.url(), second.url()];
    let change = |gateway: &mut api_gateway::Settings| {
        gateway.admin_bind = "127.0.0.1:0".to_owned();
        gateway.health_interval = Duration::from_millis(200);
    };
    settings.change_section(change).unwrap();
    let edge = Hub::start_with(settings, HubOptions::default(), vec![Box::new(api_gateway::Service)]).await.unwrap();
    let key = edge.worker_key().expose_secret().to_owned();
    let client = e2e::Client::new(edge.url(), edge.access_token().await.unwrap(), key).unwrap();
    let admin = edge.announcements().iter().find_map(|line| line.split(" is on ").nth(1)).unwrap().to_owned();
    let automation = client.automation(&json!({"name": "a", "queue_name": world.queue("q"), "script_path": "x"})).await;
    let create = async || {
        let answer = client.post(&format!("/api/v1/automations/{}/execute", automation.id), &json!({})).await;
        assert!(matches!(answer.status.as_u16(), 202 | 502 | 503), "{}", answer.text);
        answer.status == 202
    };
    let answers_of = async |nth: usize| {
        let services: Value = reqwest::get(format!("{admin}/services")).await.unwrap().json().await.unwrap();
        services[0]["upstreams"][nth]["requests"]["2xx"].as_u64().unwrap()
    };
    eventually("both take requests", async || {
        assert!(create().await, "both are there");
        (answers_of(0).await > 0 && answers_of(1).await > 0).then_some(())
    })
    .await;
    second.stop().await;
    let mut accepted = 0;
    for _ in 0..20 {
        let _read = client.get("/api/v1/jobs").await.expect(200);
        accepted += usize::from(create().await);
    }
    assert!(accepted >= 19, "only what was under way is lost: {accepted}");
    eventually("the gateway says so", async || {
        let status: Value = reqwest::get(format!("{admin}/status")).await.unwrap().json().await.unwrap();
        (status["services"][0]["state"] == "degraded").then_some(())
    })
    .await;
    let _ready = client.get("/health/ready").await.expect(200);
    edge.stop().await;
    world.end().await;
}
