//! Tokens of single workers.

use domain::ids::{TokenId, WorkerId};
use std::time::Duration;

use api_types::{RegisterResponse, StartResponse, WorkerToken, WorkerTokenCreated};
use chrono::{TimeDelta, Utc};
use e2e::{Answer, Client, Delivery, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::eventually;
use uuid::Uuid;

use crate::support::{automation, calm, fields, register, replica};

on_both!(
    a_token_is_shown_once_and_opens_worker_routes,
    a_bound_token_acts_only_for_its_worker,
    a_token_opens_only_its_queues,
    a_revoked_token_is_refused_at_once,
    a_revocation_reaches_the_other_replicas,
    an_expired_token_is_refused,
    bad_requests_for_tokens_name_their_fields,
);

async fn create(world: &World, body: Value) -> WorkerTokenCreated {
    world.client.post("/api/v1/worker-tokens", &body).await.expect(201).json()
}

/// A worker's request with a token; the path begins below `/api/v1/worker`.
async fn post(client: &Client, token: &str, path: &str, body: &Value) -> Answer {
    let request = client.bare(Method::POST, &format!("/api/v1/worker{path}"));
    client.send(request.header("X-Worker-API-Key", token).json(body)).await
}

/// Registers a worker with a token.
async fn register_by(world: &World, token: &str) -> WorkerId {
    let body = json!({"name": "w", "queues": ["q"], "slots": 1});
    post(&world.client, token, "/register", &body).await.expect(200).json::<RegisterResponse>().worker_id
}

async fn list(world: &World) -> Vec<WorkerToken> {
    world.client.get("/api/v1/worker-tokens").await.expect(200).json()
}

async fn revoke(world: &World, id: TokenId) -> Answer {
    world.client.send(world.client.request(Method::DELETE, &format!("/api/v1/worker-tokens/{id}"))).await
}

async fn a_token_is_shown_once_and_opens_worker_routes(delivery: Delivery) {
    let world = calm(delivery).await;
    let made = create(&world, json!({"name": "for the robots of finance"})).await;
    assert!(made.token.starts_with("rgw_") && made.token.len() > 40);
    assert_eq!((made.kept.created_by.as_str(), made.kept.last_used_at), ("admin", None));
    let body = json!({"name": "w", "queues": ["q"], "slots": 1});
    let _by_header = post(&world.client, &made.token, "/register", &body).await.expect(200);
    let by_bearer = world.client.bare(Method::POST, "/api/v1/worker/register").bearer_auth(&made.token).json(&body);
    let _by_bearer = world.client.send(by_bearer).await.expect(200);
    let answer = world.client.get("/api/v1/worker-tokens").await.expect(200);
    assert!(!answer.text.contains(&made.token[4..]) && !answer.text.contains("digest"), "{}", answer.text);
    let listed: Vec<WorkerToken> = answer.json();
    assert!(listed[0].last_used_at.is_some());
    assert_eq!(listed, [WorkerToken { last_used_at: listed[0].last_used_at, ..made.kept }]);
    create(&world, json!({"name": "second"})).await;
    let page = world.client.get("/api/v1/worker-tokens?limit=1").await.expect(200);
    assert!(page.headers["link"].to_str().unwrap().contains(&format!("after={}", listed[0].id)));
    world.end().await;
}

async fn a_bound_token_acts_only_for_its_worker(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "bound").await;
    let queue = automation.queue_name.as_str();
    let token = create(&world, json!({"name": "t", "worker_name": "mine"})).await.token;
    let speak = async |path: &str, body: Value| post(&world.client, &token, path, &body).await;
    let other = register(&world, "other", &[queue]).await;
    let problem = speak("/register", json!({"name": "other", "queues": [queue], "slots": 1})).await.problem(403);
    assert_eq!(problem.code, "forbidden");
    assert!(problem.detail.contains("mine") && problem.detail.contains("other"), "{problem:?}");
    let registered = speak("/register", json!({"name": "mine", "queues": [queue], "slots": 1})).await.expect(200);
    let mine = registered.json::<RegisterResponse>().worker_id;
    let job = world.client.execute(&automation, &json!({})).await.id;
    let start = format!("/jobs/{job}/start");
    for (path, body) in [
        ("/heartbeat", json!({"worker_id": other})),
        ("/jobs/claim", json!({"worker_id": other, "queues": [queue]})),
        ("/goodbye", json!({"worker_id": other})),
        (start.as_str(), json!({"worker_id": other})),
    ] {
        assert_eq!(speak(path, body).await.problem(403).code, "forbidden", "{path}");
    }
    let batch = json!([{"job_id": job, "start": {"worker_id": other}}]);
    assert_eq!(speak("/reports", batch).await.expect(200).json::<Value>()[0]["status"], 403);
    let _theirs: StartResponse = world.client.report(&start, None, &json!({"worker_id": other})).await.expect(200).json();
    for (what, body) in [("log", json!({"message": "m"})), ("progress", json!({"percent": 1})), ("finish", json!({"status": "completed"}))]
    {
        assert_eq!(speak(&format!("/jobs/{job}/{what}"), body).await.problem(403).code, "forbidden", "{what}");
    }
    let asked = world.client.bare(Method::GET, &format!("/api/v1/worker/jobs/{job}/cancellation")).bearer_auth(&token);
    assert_eq!(world.client.send(asked).await.problem(403).code, "forbidden");
    let own = world.client.execute(&automation, &json!({})).await.id;
    let _started = speak(&format!("/jobs/{own}/start"), json!({"worker_id": mine})).await.expect(200);
    let _logged = speak(&format!("/jobs/{own}/log"), json!({"message": "m"})).await.expect(201);
    let _ended = speak(&format!("/jobs/{own}/finish"), json!({"status": "completed"})).await.expect(200);
    let _alive = speak("/heartbeat", json!({"worker_id": mine})).await.expect(200);
    assert_eq!(speak("/heartbeat", json!({"worker_id": Uuid::now_v7()})).await.problem(404).code, "not_found");
    world.end().await;
}

async fn a_token_opens_only_its_queues(delivery: Delivery) {
    let world = calm(delivery).await;
    let (open, closed) = (automation(&world, "open").await, automation(&world, "closed").await);
    let (open_queue, closed_queue) = (open.queue_name.as_str(), closed.queue_name.as_str());
    let token = create(&world, json!({"name": "t", "queues": [open_queue]})).await.token;
    let speak = async |path: &str, body: Value| post(&world.client, &token, path, &body).await;
    let refused = speak("/register", json!({"name": "w", "queues": [open_queue, closed_queue], "slots": 1})).await.problem(403);
    assert!(refused.detail.contains(closed_queue), "{refused:?}");
    let registered = speak("/register", json!({"name": "w", "queues": [open_queue], "slots": 1})).await.expect(200);
    let id = registered.json::<RegisterResponse>().worker_id;
    assert_eq!(speak("/jobs/claim", json!({"worker_id": id, "queues": [closed_queue]})).await.problem(403).code, "forbidden");
    let _none = speak("/jobs/claim", json!({"worker_id": id, "queues": [open_queue]})).await.expect(200);
    let every = speak("/register", json!({"name": "every", "queues": ["*"], "slots": 1})).await.expect(200);
    let every = every.json::<RegisterResponse>().worker_id;
    let job = world.client.execute(&closed, &json!({})).await.id;
    let given = speak("/jobs/claim", json!({"worker_id": every, "queues": ["*"]})).await.expect(200);
    assert_eq!(given.json::<Value>(), json!([]), "every queue of a limited token is its own ones");
    let worker = world.client.get(&format!("/api/v1/workers/{every}")).await.expect(200).json::<Value>();
    assert_eq!(worker["queues"], json!([open_queue]));
    assert_eq!(speak(&format!("/jobs/{job}/start"), json!({})).await.problem(403).code, "forbidden");
    let job = world.client.execute(&open, &json!({})).await.id;
    let _started = speak(&format!("/jobs/{job}/start"), json!({})).await.expect(200);
    world.end().await;
}

async fn a_revoked_token_is_refused_at_once(delivery: Delivery) {
    let world = calm(delivery).await;
    let made = create(&world, json!({"name": "t"})).await;
    let id = register_by(&world, &made.token).await;
    let _alive = post(&world.client, &made.token, "/heartbeat", &json!({"worker_id": id})).await.expect(200);
    for _ in 0..2 {
        let _revoked = revoke(&world, made.kept.id).await.expect(204);
        let beats = async || post(&world.client, &made.token, "/heartbeat", &json!({"worker_id": id})).await;
        world.everywhere("the token is refused", async || beats().await.status == 401).await;
        let problem = post(&world.client, &made.token, "/heartbeat", &json!({"worker_id": id})).await.problem(401);
        assert!(problem.detail.contains("revoked"), "{problem:?}");
    }
    assert!(list(&world).await[0].revoked_at.is_some());
    let unknown = post(&world.client, "rgw_nobody", "/heartbeat", &json!({"worker_id": id})).await.problem(401);
    assert!(unknown.detail.contains("unknown"), "{unknown:?}");
    assert_eq!(revoke(&world, Uuid::now_v7().into()).await.problem(404).code, "not_found");
    let elsewhere = world.client.send(world.client.bare(Method::GET, "/api/v1/jobs").bearer_auth(&made.token)).await.problem(401);
    assert!(elsewhere.detail.contains("revoked"), "{elsewhere:?}");
    world.end().await;
}

async fn a_revocation_reaches_the_other_replicas(delivery: Delivery) {
    let world = calm(delivery).await;
    let (other, client) = replica(&world).await;
    let made = create(&world, json!({"name": "t"})).await;
    let body = json!({"worker_id": register_by(&world, &made.token).await});
    let _alive = post(&client, &made.token, "/heartbeat", &body).await.expect(200);
    let _revoked = revoke(&world, made.kept.id).await.expect(204);
    eventually("the other refuses it", async || (post(&client, &made.token, "/heartbeat", &body).await.status == 401).then_some(())).await;
    other.stop().await;
    world.end().await;
}

async fn an_expired_token_is_refused(delivery: Delivery) {
    let world = calm(delivery).await;
    let expires_at = Utc::now() + TimeDelta::from_std(Duration::from_millis(1500)).unwrap();
    let made = create(&world, json!({"name": "t", "expires_at": expires_at})).await;
    let body = json!({"worker_id": register_by(&world, &made.token).await});
    let _alive = post(&world.client, &made.token, "/heartbeat", &body).await.expect(200);
    let refused = eventually("it expires", async || {
        Some(post(&world.client, &made.token, "/heartbeat", &body).await).filter(|answer| answer.status == 401)
    })
    .await;
    assert!(refused.problem(401).detail.contains("expired"));
    world.end().await;
}

async fn bad_requests_for_tokens_name_their_fields(delivery: Delivery) {
    let world = calm(delivery).await;
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": " "}), "name"),
        (json!({"name": "a\u{0}"}), "name"),
        (json!({"name": "t", "worker_name": ""}), "worker_name"),
        (json!({"name": "t", "worker_name": "x".repeat(201)}), "worker_name"),
        (json!({"name": "t", "queues": []}), "queues"),
        (json!({"name": "t", "queues": ["q", "amq.x"]}), "queues/1"),
        (json!({"name": "t", "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"name": "t", "expires_at": "soon"}), "expires_at"),
        (json!({"name": "t", "colour": "red"}), "colour"),
    ] {
        let problem = world.client.post("/api/v1/worker-tokens", &body).await.problem(422);
        assert!(fields(&problem) == [field] || problem.detail.contains(field), "{body}: {problem:?}");
    }
    assert_eq!(list(&world).await, []);
    world.end().await;
}
