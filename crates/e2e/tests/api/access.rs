//! Who may call what, for every route that `openapi.json` has.

use std::collections::BTreeMap;

use e2e::{Answer, Delivery, World};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::calm;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Anybody,
    Person,
    Worker,
}

const ROUTES: [(&str, &str, Who); 54] = [
    ("get", "/api/v1/automations", Who::Person),
    ("post", "/api/v1/automations", Who::Person),
    ("delete", "/api/v1/automations/{id}", Who::Person),
    ("get", "/api/v1/automations/{id}", Who::Person),
    ("put", "/api/v1/automations/{id}", Who::Person),
    ("post", "/api/v1/automations/{id}/execute", Who::Person),
    ("post", "/api/v1/automations/{id}/pause", Who::Person),
    ("post", "/api/v1/automations/{id}/resume", Who::Person),
    ("post", "/api/v1/auth/login", Who::Anybody),
    ("get", "/api/v1/health", Who::Anybody),
    ("get", "/api/v1/jobs", Who::Person),
    ("post", "/api/v1/jobs", Who::Person),
    ("get", "/api/v1/jobs/{id}", Who::Person),
    ("post", "/api/v1/jobs/bulk/cancel", Who::Person),
    ("post", "/api/v1/jobs/bulk/retry", Who::Person),
    ("post", "/api/v1/jobs/{id}/cancel", Who::Person),
    ("post", "/api/v1/jobs/{id}/pause", Who::Person),
    ("post", "/api/v1/jobs/{id}/resume", Who::Person),
    ("post", "/api/v1/jobs/{id}/retry", Who::Person),
    ("get", "/api/v1/jobs/{id}/events", Who::Person),
    ("get", "/api/v1/jobs/{id}/logs", Who::Person),
    ("get", "/api/v1/jobs/{id}/logs/stream", Who::Person),
    ("get", "/api/v1/openapi.json", Who::Anybody),
    ("get", "/api/v1/queues", Who::Person),
    ("post", "/api/v1/queues/{name}/pause", Who::Person),
    ("post", "/api/v1/queues/{name}/resume", Who::Person),
    ("post", "/api/v1/worker/heartbeat", Who::Worker),
    ("post", "/api/v1/worker/jobs/claim", Who::Worker),
    ("get", "/api/v1/worker/jobs/{id}/cancellation", Who::Worker),
    ("post", "/api/v1/worker/jobs/{id}/finish", Who::Worker),
    ("post", "/api/v1/worker/jobs/{id}/log", Who::Worker),
    ("post", "/api/v1/worker/jobs/{id}/progress", Who::Worker),
    ("post", "/api/v1/worker/jobs/{id}/start", Who::Worker),
    ("get", "/api/v1/worker/jobs/{id}/status", Who::Worker),
    ("post", "/api/v1/worker/register", Who::Worker),
    ("post", "/api/v1/worker/reports", Who::Worker),
    ("get", "/api/v1/dead-letters", Who::Person),
    ("post", "/api/v1/dead-letters/replay", Who::Person),
    ("delete", "/api/v1/dead-letters/{id}", Who::Person),
    ("get", "/api/v1/dead-letters/{id}", Who::Person),
    ("post", "/api/v1/dead-letters/{id}/replay", Who::Person),
    ("get", "/api/v1/ops/reconcilers", Who::Person),
    ("get", "/api/v1/ops/status", Who::Person),
    ("get", "/api/v1/worker-tokens", Who::Person),
    ("post", "/api/v1/worker-tokens", Who::Person),
    ("delete", "/api/v1/worker-tokens/{id}", Who::Person),
    ("post", "/api/v1/worker/goodbye", Who::Worker),
    ("get", "/api/v1/workers", Who::Person),
    ("delete", "/api/v1/workers/{id}", Who::Person),
    ("get", "/api/v1/workers/{id}", Who::Person),
    ("post", "/api/v1/workers/{id}/pause", Who::Person),
    ("post", "/api/v1/workers/{id}/resume", Who::Person),
    ("get", "/health/live", Who::Anybody),
    ("get", "/health/ready", Who::Anybody),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_has_every_route() {
    let world = calm(Delivery::Pull).await;
    let doc: Value = world.client.get("/api/v1/openapi.json").await.expect(200).json();
    let documented: Vec<(&str, &str)> = doc["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, operations)| operations.as_object().unwrap().keys().map(move |method| (path.as_str(), method.as_str())))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let mut table: Vec<(&str, &str)> = ROUTES.iter().map(|(method, path, _)| (*path, *method)).collect();
    table.sort_unstable();
    assert_eq!(table, documented, "add the new route to the table with who may call it");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_route_is_open_to_whom_it_is_for_and_to_nobody_else() {
    let world = calm(Delivery::Pull).await;
    let mut wrong = Vec::new();
    for (method, path, who) in ROUTES {
        let shown = answers(&world, method, path).await;
        let expected: BTreeMap<&str, bool> =
            CREDENTIALS.iter().map(|(name, person, worker)| (*name, allowed(who, *person, *worker))).collect();
        let actual: BTreeMap<&str, bool> = shown.iter().map(|(name, answer)| (*name, is_through(answer, path))).collect();
        if actual != expected {
            wrong.push(format!("{method} {path} ({who:?}): {actual:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.end().await;
}

/// What a request shows, and whether that makes it a person or a worker.
const CREDENTIALS: [(&str, bool, bool); 9] = [
    ("nothing", false, false),
    ("worker key", false, true),
    ("wrong worker key", false, false),
    ("token", true, true),
    ("garbage token", false, false),
    ("wrong worker key and token", true, false),
    ("worker token", false, true),
    ("worker token as bearer", false, true),
    ("unknown worker token", false, false),
];

fn allowed(who: Who, person: bool, worker: bool) -> bool {
    match who {
        Who::Anybody => true,
        Who::Person => person,
        Who::Worker => worker,
    }
}

/// Whether the request got past the door: whatever comes after it, it is not 401. A sign-in with a wrong password is.
fn is_through(answer: &Answer, path: &str) -> bool {
    let refused = answer.status == 401;
    assert!(!refused || answer.problem(401).code == "unauthorized");
    assert!(
        answer.status != 404 || answer.text.contains("not_found") && !answer.text.contains("page not found"),
        "{path}: {}",
        answer.text
    );
    assert!(!answer.status.is_server_error(), "{path}: {}", answer.text);
    !refused
}

async fn answers(world: &World, method: &str, path: &str) -> Vec<(&'static str, Answer)> {
    let path = path.replace("{id}", if path.contains("automations") { "999999" } else { "0195d6f0-0000-7000-8000-000000000000" });
    let method: Method = method.to_uppercase().parse().unwrap();
    let body = if path.ends_with("login") { json!({"username": "admin", "password": "admin-password-of-a-test"}) } else { json!({}) };
    let bare = || with_body(world.client.bare(method.clone(), &path), &method, &body);
    let person = || with_body(world.client.request(method.clone(), &path), &method, &body);
    let key = secrecy::ExposeSecret::expose_secret(world.hub.worker_key()).to_owned();
    let token = worker_token(world).await;
    let requests = [
        bare(),
        bare().header("X-Worker-API-Key", key),
        bare().header("X-Worker-API-Key", "wrong"),
        person(),
        bare().bearer_auth("garbage"),
        person().header("X-Worker-API-Key", "wrong"),
        bare().header("X-Worker-API-Key", &token),
        bare().bearer_auth(&token),
        bare().bearer_auth("rgw_nobody"),
    ];
    let mut answers = Vec::new();
    for ((name, ..), request) in CREDENTIALS.into_iter().zip(requests) {
        answers.push((name, world.client.send(request).await));
    }
    answers
}

async fn worker_token(world: &World) -> String {
    let made = world.client.post("/api/v1/worker-tokens", &json!({"name": "access"})).await.expect(201);
    made.json::<api_types::WorkerTokenCreated>().token
}

fn with_body(request: RequestBuilder, method: &Method, body: &Value) -> RequestBuilder {
    if *method == Method::GET { request } else { request.json(body) }
}
