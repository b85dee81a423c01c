//! Every error is a problem body.

use e2e::{Answer, Delivery};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uuid::Uuid;

use crate::support::{automation, calm, fields};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_is_a_problem_that_repeats_its_detail_as_error() {
    let world = calm(Delivery::Pull).await;
    let client = &world.client;
    let id = automation(&world, "p").await.id;
    let job = Uuid::now_v7();
    let table = [
        (Method::GET, "/".to_owned(), 404),
        (Method::GET, "/api/v1/nothing".into(), 404),
        (Method::GET, "/api/v1/automations/".into(), 404),
        (Method::GET, "/api/v1/automations/abc".into(), 400),
        (Method::GET, "/api/v1/automations/99999999999999".into(), 400),
        (Method::POST, "/api/v1/automations/abc/execute".into(), 400),
        (Method::POST, format!("/api/v1/automations/{id}/execute?x=1"), 400),
        (Method::GET, "/api/v1/jobs/not-a-uuid".into(), 400),
        (Method::GET, "/api/v1/jobs/not-a-uuid/logs".into(), 400),
        (Method::GET, "/api/v1/jobs/%00".into(), 400),
        (Method::GET, format!("/api/v1/jobs/{job}"), 404),
        (Method::GET, format!("/api/v1/jobs/{job}/logs"), 404),
        (Method::GET, format!("/api/v1/jobs/{job}/logs/stream"), 404),
        (Method::GET, format!("/api/v1/jobs/{job}/events"), 404),
        (Method::GET, "/api/v1/worker/jobs/not-a-uuid/status".into(), 400),
        (Method::POST, "/api/v1/worker/jobs/not-a-uuid/start".into(), 400),
        (Method::POST, format!("/api/v1/worker/jobs/{job}/start"), 404),
        (Method::GET, format!("/api/v1/worker/jobs/{job}/status"), 404),
        (Method::GET, format!("/api/v1/worker/jobs/{job}/cancellation"), 404),
    ];
    for (method, path, status) in table {
        let request = match path.strip_prefix("/api/v1/worker") {
            Some(path) => client.worker(method.clone(), path),
            None => client.request(method.clone(), &path),
        };
        let answer = client.send(request).await;
        let problem = answer.problem(status);
        let raw: Value = answer.json();
        assert!(raw["type"].as_str().unwrap().starts_with("urn:regente:problem:"), "{method} {path}: {raw}");
        assert!(!problem.detail.is_empty() && !problem.title.is_empty() && !problem.code.is_empty(), "{method} {path}: {raw}");
        assert!(status != 400 || !fields(&problem).is_empty(), "{method} {path}: {raw}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_a_route_does_not_have_is_405() {
    let world = calm(Delivery::Pull).await;
    let client = &world.client;
    let doc: Value = client.get("/api/v1/openapi.json").await.expect(200).json();
    for (path, operations) in doc["paths"].as_object().unwrap() {
        let concrete = path.replace("{id}", if path.contains("automations") { "1" } else { "0195d6f0-0000-7000-8000-000000000000" });
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            if operations.get(method.as_str().to_lowercase()).is_some() {
                continue;
            }
            let answer = client.send(client.request(method.clone(), &concrete)).await;
            assert_eq!(answer.status.as_u16(), 405, "{method} {path}: {}", answer.text);
            assert_eq!(answer.problem(405).code, "method_not_allowed", "{method} {path}");
            let allowed = answer.headers.get("allow").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
            for known in operations.as_object().unwrap().keys() {
                assert!(allowed.to_lowercase().contains(known), "{method} {path} allows \"{allowed}\", not {known}");
            }
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_token_that_is_no_uuid_is_a_bad_request() {
    let world = calm(Delivery::Pull).await;
    let job = crate::support::running(&world).await;
    let request =
        world.client.worker(Method::POST, &format!("/jobs/{}/log", job.id)).header("X-Lease-Token", "mine").json(&json!({"message": "x"}));
    let problem = world.client.send(request).await.problem(400);
    assert!(problem.detail.contains("X-Lease-Token"), "{}", problem.detail);
    world.end().await;
}

/// Paths whose GET is read as it comes, without an end.
const STREAMS: [&str; 3] = ["/api/v1/events", "/api/v1/ws", "/api/v1/jobs/{id}/logs/stream"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_is_answered_like_get_without_the_body() {
    let world = calm(Delivery::Pull.with_events()).await;
    let client = &world.client;
    let doc: Value = client.get("/api/v1/openapi.json").await.expect(200).json();
    let mut found = 0;
    for (path, operations) in doc["paths"].as_object().unwrap() {
        let concrete = path.replace("{id}", if path.contains("automations") { "1" } else { "0195d6f0-0000-7000-8000-000000000000" });
        let head = client.send(client.request(Method::HEAD, &concrete)).await;
        if operations.get("get").is_none() {
            assert_eq!(head.status.as_u16(), 405, "{path}");
        } else if !STREAMS.contains(&path.as_str()) {
            let get = client.get(&concrete).await;
            let kind = |answer: &Answer| answer.headers.get("content-type").cloned();
            assert_eq!((head.status, kind(&head), head.text.as_str()), (get.status, kind(&get), ""), "{path}");
            let has_length = ["content-length", "transfer-encoding"].iter().any(|name| head.headers.contains_key(*name));
            assert!(has_length, "{path}: {:?}", head.headers);
            found += usize::from(head.status.is_success());
        }
    }
    assert!(found > 15, "{found} that are there");
    let length = |answer: &Answer| answer.headers["content-length"].to_str().unwrap().parse::<usize>().unwrap();
    let (head, get) = (client.send(client.request(Method::HEAD, "/api/v1/openapi.json")).await, client.get("/api/v1/openapi.json").await);
    assert_eq!(length(&head), get.text.len());
    for path in ["/api/v1/events", "/api/v1/ws"] {
        let head = client.send(client.request(Method::HEAD, path)).await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (if path.ends_with("ws") { 400 } else { 200 }, ""), "{path} ends at once");
    }
    world.end().await;
}

/// What follows on the connection is the next answer, not the body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_follows_the_head_of_an_answer_to_head() {
    let world = calm(Delivery::Pull.with_events()).await;
    let mut stream = TcpStream::connect(world.door().url().trim_start_matches("http://")).await.unwrap();
    let token = world.door().access_token().await.unwrap();
    let get = |method: &str, path: &str, more: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n{more}\r\n")
    };
    for (path, status) in [("/api/v1/openapi.json", 200), ("/api/v1/events", 200), ("/api/v1/nothing", 404)] {
        stream.write_all(get("HEAD", path, "").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.matches("HTTP/").count() == 1, "{path}: {head}");
    }
    stream.write_all(get("GET", "/health/live", "Connection: close\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with('}'), "{answer}");
    world.end().await;
}
