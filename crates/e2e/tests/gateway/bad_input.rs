//! Requests that two parsers could read differently, or that never end: refused at the edge, and never passed on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use runtime::Settings;
use test_support::eventually;

use crate::{edge::Edge, fake::Fake};

/// The status of the first answer to these bytes.
async fn status(edge: &Edge, text: &str) -> u16 {
    let mut connection = edge.connect().await;
    connection.write(text.replace("{token}", &edge.token().await)).await;
    let head = connection.head().await.expect(text);
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_with_two_ends_is_refused() {
    let fake = Fake::fine().await;
    let edge = Edge::start(&[&fake]).await;
    let smuggled = "GET /api/v1/workers HTTP/1.1\r\nHost: hub\r\n\r\n";
    let length = smuggled.len();
    for framing in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{smuggled}"),
        format!("Content-Length: {length}, {length}\r\n\r\n{smuggled}"),
        format!("Content-Length: +{length}\r\n\r\n{smuggled}"),
        format!("Content-Length: 0x1\r\n\r\n{smuggled}"),
        format!("Content-Length: -1\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!(" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("X-A: b\r\n c: d\r\nContent-Length: 0\r\n\r\n{smuggled}"),
        format!("Host: other\r\nContent-Length: 0\r\n\r\n{smuggled}"),
    ] {
        let head = format!("POST /api/v1/jobs HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {{token}}\r\n{framing}");
        assert_eq!(status(&edge, &head).await, 400, "{framing:?}");
    }
    assert_eq!(fake.hits(), 0, "nothing of it reached the service");
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_is_none_breaks_the_request_off() {
    let fake = Fake::fine().await;
    let edge = Edge::start(&[&fake]).await;
    for chunks in ["zz\r\nabc\r\n0\r\n\r\n", "5\r\nab\r\n0\r\n\r\n", "ffffffffffffffffff\r\n"] {
        let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(status(&edge, &format!("{head}{chunks}")).await, 400, "{chunks:?}");
    }
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_are_bounded_in_size_and_number() {
    let fake = Fake::fine().await;
    let edge = Edge::start(&[&fake]).await;
    for size in [40_000, 1 << 20] {
        let mut connection = edge.connect().await;
        connection.write(format!("GET /api/v1/jobs HTTP/1.1\r\nHost: hub\r\nX-Large: {}\r\n\r\n", "x".repeat(size))).await;
        let head = connection.head().await.unwrap();
        assert!(head.starts_with("http/1.1 431"), "{size}: {head}");
    }
    for count in [70, 200] {
        let many: String = (0..count).map(|nth| format!("X-{nth}: 1\r\n")).collect();
        assert_eq!(
            status(&edge, &format!("GET /api/v1/jobs HTTP/1.1\r\nHost: hub\r\n{many}Connection: close\r\n\r\n")).await,
            431,
            "{count}"
        );
    }
    let large = edge.client.bare(Method::GET, "/api/v1/auth/me").header("X-Large", "x".repeat(40_000));
    assert_eq!(edge.client.send(large).await.problem(431).code, "headers_too_large");
    assert_eq!(status(&edge, &format!("GET /{} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n", "x".repeat(40_000))).await, 431);
    assert_eq!(fake.hits(), 0);
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_body_is_refused() {
    let edge = Edge::start(&[]).await;
    let login = edge.client.bare(Method::POST, "/api/v1/auth/login").header("Content-Encoding", "gzip").body("{}");
    assert_eq!(edge.client.send(login).await.problem(415).code, "unsupported_encoding");
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_arrive_ends_the_connection() {
    let edge = Edge::with(&[], |settings| settings.http.header_timeout = Duration::from_secs(1)).await;
    let mut silent = edge.connect().await;
    silent.write("GET /health/live HTTP/1.1\r\nHo").await;
    let answer = silent.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    edge.end().await;
}

/// The server's own time limit is for the first request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_head_that_dribbles_in_ends_the_connection_as_well() {
    let change = |settings: &mut Settings| {
        (settings.http.header_timeout, settings.http.keep_alive) = (Duration::from_secs(1), Duration::from_secs(1))
    };
    let edge = Edge::with(&[], change).await;
    let mut slow = edge.connect().await;
    slow.write("GET /health/live HTTP/1.1\r\nHost: hub\r\n\r\n").await;
    assert!(slow.head().await.unwrap().starts_with("http/1.1 200"));
    let _body = slow.until("}").await.unwrap();
    slow.write("GET /health/live HTTP/1.1\r\nX-Slow: ").await;
    // Never silent for long, and never done.
    eventually("it is closed", async || (!slow.try_write(b"x").await).then_some(())).await;
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_so_many_connections() {
    let change = |settings: &mut Settings| {
        settings.http.trusted_proxies.clear();
        settings.http.max_connections_per_address = 3;
    };
    let edge = Edge::with(&[], change).await;
    let served = async || {
        let mut connection = edge.connect().await;
        connection.write("GET /health/live HTTP/1.1\r\nHost: hub\r\n\r\n").await;
        connection.head().await.map(|_| connection)
    };
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(served().await.unwrap());
    }
    assert!(served().await.is_none(), "closed without an answer");
    drop(open.pop());
    let _room = eventually("one has ended", served).await;
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    let given_up = Arc::new(AtomicBool::new(false));
    let told = given_up.clone();
    // An answer without end.
    let fake = Fake::start(move |mut hit| {
        let given_up = told.clone();
        async move {
            hit.connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
            while hit.connection.try_write(chunk.as_bytes()).await {}
            given_up.store(true, Ordering::SeqCst);
            None
        }
    })
    .await;
    let edge = Edge::with(&[&fake], |settings| settings.http.write_timeout = Duration::from_secs(1)).await;
    let mut deaf = edge.connect().await;
    deaf.write(format!("GET /api/v1/jobs HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {}\r\n\r\n", edge.token().await)).await;
    eventually("the service's answer is given up", async || given_up.load(Ordering::SeqCst).then_some(())).await;
    // The client is still there, and finds that it was cut off in the middle.
    assert!(!deaf.rest().await.ends_with("0\r\n\r\n"));
    edge.end().await;
}
