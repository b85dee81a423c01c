//! What the door lets in: paths in every spelling, pages of other sites, names that look like others.

use e2e::{Delivery, Options, World};
use regente::HubOptions;
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{calm, fields};

/// The status of a request whose head is sent as it is.
async fn status(world: &World, head: &str) -> u16 {
    let mut stream = TcpStream::connect(world.door().url().trim_start_matches("http://")).await.unwrap();
    stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_token_opens_its_routes_however_their_path_is_written() {
    let world = calm(Delivery::Pull).await;
    let token = world.client.post("/api/v1/worker-tokens", &json!({"name": "t"})).await.expect(201);
    let token = token.json::<api_types::WorkerTokenCreated>().token;
    let job = crate::support::pending(&world).await.id;
    for (path, shown, expected) in [
        (format!("/api/v1/worker/jobs/{job}/status"), token.as_str(), 200),
        (format!("/api/v1/%77orker/jobs/{job}/status"), token.as_str(), 200),
        (format!("/api/v1/%77orker/jobs/{job}/status"), "rgw_nobody", 401),
        (format!("/api/v1/worker/jobs/{job}%2Fstatus"), token.as_str(), 400),
        (format!("/api/v1//worker/jobs/{job}/status"), token.as_str(), 404),
        (format!("/api/v1/worker/jobs/{job}/status/"), token.as_str(), 404),
        (format!("/api/v1/x/../worker/jobs/{job}/status"), token.as_str(), 400),
        ("/api/v1/%6aobs".to_owned(), token.as_str(), 403),
        ("/api/v1/jobs%00".to_owned(), token.as_str(), 400),
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {shown}");
        assert_eq!(status(&world, &head).await, expected, "{path} with {shown}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn insecure_dev_takes_nothing_from_pages_of_other_sites() {
    let hub = HubOptions { insecure_dev: true, ..HubOptions::default() };
    let world = World::start_with(Delivery::Pull, Options { hub, ..Options::default() }).await;
    let send = async |path: &str, headers: &[(&'static str, &str)]| {
        let request = world.client.bare(Method::POST, path).body("{}");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        world.client.send(request).await.status.as_u16()
    };
    for path in ["/api/v1/automations", "/api/v1/worker/register"] {
        for headers in [
            [("content-type", "text/plain")].as_slice(),
            &[("content-type", "text/plain;charset=UTF-8"), ("origin", "http://evil.example")],
            &[("content-type", "application/json"), ("origin", "http://evil.example")],
            &[("content-type", "application/json"), ("origin", "http://localhost.evil.example")],
            &[("content-type", "application/json"), ("origin", "null")],
            &[("content-type", "application/json"), ("host", "evil.example")],
            &[("content-type", "application/json"), ("host", "127.0.0.1.evil.example:80")],
            &[("content-type", "application/json"), ("sec-fetch-site", "cross-site")],
        ] {
            assert_eq!(send(path, headers).await, 403, "{path} {headers:?}");
        }
        for headers in [
            [("content-type", "application/json")].as_slice(),
            &[("content-type", "application/json"), ("origin", "http://localhost:5173"), ("host", "localhost:8080")],
            &[("content-type", "application/json"), ("host", "[::1]:8080")],
            &[],
        ] {
            assert_eq!(send(path, headers).await, 422, "{path} {headers:?}: let in, and then the body has no name");
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_says_that_it_is_no_page_and_is_not_kept() {
    let world = calm(Delivery::Pull).await;
    for path in ["/api/v1/jobs", "/api/v1/health", "/api/v1/openapi.json", "/nothing", "/api/v1/jobs/x"] {
        let answer = world.client.get(path).await;
        assert_eq!(
            (&answer.headers["x-content-type-options"], &answer.headers["cache-control"]),
            (&"nosniff".parse().unwrap(), &"no-store".parse().unwrap()),
            "{path}"
        );
    }
    let refused = world.client.send(world.client.bare(Method::GET, "/api/v1/jobs")).await;
    assert_eq!((refused.status.as_u16(), &refused.headers["x-content-type-options"]), (401, &"nosniff".parse().unwrap()));
    let refused = world.client.send(world.client.bare(Method::POST, "/api/v1/worker/jobs/claim").bearer_auth("rgw_nobody")).await;
    assert_eq!((refused.status.as_u16(), &refused.headers["x-content-type-options"]), (401, &"nosniff".parse().unwrap()));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_looks_like_another_is_refused() {
    let world = calm(Delivery::Pull).await;
    for hidden in ["a\u{202e}b", "a\u{200b}b", "a\u{2066}b", "\u{feff}a"] {
        let automation = json!({"name": hidden, "script_path": hidden, "queue_name": hidden});
        let problem = world.client.post("/api/v1/automations", &automation).await.problem(422);
        assert_eq!(fields(&problem), ["name", "queue_name", "script_path"], "{hidden:?}");
        let worker = json!({"name": hidden, "queues": ["q"], "slots": 1});
        assert_eq!(fields(&world.client.report("/register", None, &worker).await.problem(422)), ["name"], "{hidden:?}");
        let token = json!({"name": hidden, "worker_name": hidden});
        assert_eq!(fields(&world.client.post("/api/v1/worker-tokens", &token).await.problem(422)), ["name", "worker_name"], "{hidden:?}");
    }
    let _arabic = world.client.post("/api/v1/automations", &json!({"name": "تقرير يومي", "script_path": "x"})).await.expect(201);
    world.end().await;
}
