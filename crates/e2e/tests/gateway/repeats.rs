use reqwest::Method;

use crate::{
    edge::Edge,
    fake::{Connection, Fake},
};

/// An upstream that answers the first request and then closes the connection after having read the next; a new connection works.
async fn closing() -> Fake {
    Fake::start(|hit| async move {
        if hit.number == 2 {
            return None::<Connection>;
        }
        hit.answer("200 OK", "ok").await
    })
    .await
}

/// The status of a request over a connection that the upstream closes, and how many it got for it.
async fn over_a_closing_connection(request: impl AsyncFnOnce(&Edge) -> u16) -> (u16, usize) {
    let fake = closing().await;
    let edge = Edge::start(&[&fake]).await;
    let _warm = edge.client.get("/api/v1/jobs").await.expect(200);
    let status = request(&edge).await;
    let hits = fake.hits() - 1;
    edge.end().await;
    (status, hits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_safe_is_sent_twice() {
    let get = over_a_closing_connection(async |edge| edge.client.get("/api/v1/jobs").await.status.as_u16());
    assert_eq!(get.await, (200, 2));
    let empty_post = over_a_closing_connection(async |edge| {
        edge.client.send(edge.client.request(Method::POST, "/api/v1/workers/x/pause")).await.problem(502).status
    });
    assert_eq!(empty_post.await, (502, 1));
    let streamed = over_a_closing_connection(async |edge| {
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("a"), Ok("b")]));
        edge.client.send(edge.client.request(Method::PUT, "/api/v1/automations/1").body(body)).await.problem(502).status
    });
    assert_eq!(streamed.await, (502, 1));
    let delete = over_a_closing_connection(async |edge| {
        edge.client.send(edge.client.request(Method::DELETE, "/api/v1/workers/x")).await.problem(502).status
    });
    assert_eq!(delete.await, (502, 1), "a second one would be a 404");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_sent_goes_to_another_upstream_whatever_it_is() {
    let fine = Fake::fine().await;
    // A port that nobody listens on.
    let gone = Fake::gone();
    let edge = Edge::start(&[&gone, &fine]).await;
    for _ in 0..4 {
        let request = edge.client.request(Method::POST, "/api/v1/jobs").body("x".repeat(100_000));
        assert_eq!(edge.client.send(request).await.expect(200).text, "ok", "with its body");
    }
    assert_eq!(fine.hits(), 4);
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_away_is_so_for_its_own_routes_alone() {
    let gone = Fake::gone();
    let edge = Edge::start(&[&gone]).await;
    for _ in 0..7 {
        let answer = edge.client.get("/api/v1/jobs").await;
        assert_eq!(answer.problem(503).code, "service_unavailable");
        let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=30).contains(&wait), "seconds to wait: {wait}");
    }
    let _ready = edge.client.get("/health/ready").await.expect(200);
    let login = serde_json::json!({"username": "admin", "password": "admin-password-of-a-test"});
    let _signed_in = edge.client.post("/api/v1/auth/login", &login).await.expect(200);
    edge.end().await;
}
