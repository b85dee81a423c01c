use serde_json::Value;

use crate::{edge::Edge, fake::Fake};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_is_judged_once_in_its_decoded_form() {
    let fake = Fake::fine().await;
    let edge = Edge::start(&[&fake]).await;
    for target in [
        "/api/v1/public%2F..%2Fjobs",
        "/api/v1/a%5Cjobs",
        "/api/v1/a\\jobs",
        "/api/v1/x%00",
        "/api/v1/x/../jobs",
        "/api/v1/x/%2e%2e/jobs",
        "/api/v1/jobs%",
    ] {
        let answer = edge.target(target).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{target}: {answer}");
    }
    // What is encoded twice is decoded once, and is then no route.
    for target in ["/api/v1//jobs", "/api/v1/jobs/", "/api/v1/nothing", "/api/v1/%256aobs", "/api/v1/x/%252e%252e/jobs"] {
        let answer = edge.target(target).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{target}: {answer}");
    }
    assert_eq!(fake.hits(), 0);
    for (target, seen) in [
        ("/api/v1/%6aobs?status=failed%2Frunning&limit=5", "get /api/v1/jobs?status=failed%2frunning&limit=5 "),
        ("/api/v1/jobs/x%3Fy%23%20%C3%A7%25", "get /api/v1/jobs/x%3fy%23%20%c3%a7%25 "),
    ] {
        let answer = edge.target(target).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok"), "{target}: {answer}");
        assert!(fake.last().starts_with(seen), "one spelling: {}", fake.last());
    }
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_and_methods_come_of_the_services_descriptions() {
    let fake = Fake::fine().await;
    let edge = Edge::start(&[&fake]).await;
    let doc: Value = edge.client.get("/api/v1/openapi.json").await.expect(200).json();
    assert!(doc["paths"]["/api/v1/jobs"]["get"]["responses"]["502"].is_object());
    assert!(doc["paths"]["/api/v1/auth/login"]["post"]["responses"]["502"].is_null(), "what the gateway does itself");
    let request = edge.client.request(reqwest::Method::DELETE, "/api/v1/jobs");
    let refused = edge.client.send(request).await;
    assert_eq!(
        (refused.problem(405).code.as_str(), &refused.headers["allow"]),
        ("method_not_allowed", &"GET, HEAD, POST".parse().unwrap())
    );
    let stranger = edge.client.send(edge.client.bare(reqwest::Method::GET, "/api/v1/jobs")).await;
    assert_eq!((stranger.problem(401).code.as_str(), fake.hits()), ("unauthorized", 0));
    // The gateway's own routes are not the services'.
    let _health = edge.client.get("/api/v1/health").await.expect(200);
    assert_eq!(fake.hits(), 0);
    edge.end().await;
}
