use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::StreamExt as _;
use reqwest::Method;
use test_support::eventually;

use crate::{
    edge::Edge,
    fake::{Connection, Fake, header},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_passes_chunk_by_chunk() {
    // It acknowledges the first chunk by the head of its answer, long before the upload ends.
    let fake = Fake::start(|mut hit| async move {
        let first = hit.connection.until("first\r\n").await.unwrap();
        hit.connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
        let second = hit.connection.until("0\r\n\r\n").await.unwrap();
        assert!(first.contains("first") && second.contains("second"), "{first} {second}");
        hit.connection.write("6\r\nsecond\r\n0\r\n\r\n").await;
        Some(hit.connection)
    })
    .await;
    let edge = Edge::start(&[&fake]).await;
    let mut connection = edge.connect().await;
    let token = edge.token().await;
    let head = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
    );
    connection.write(head).await;
    let head = connection.head().await.unwrap();
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    let _first = connection.until("first\r\n").await.expect("the answer's first chunk");
    connection.write("6\r\nsecond\r\n0\r\n\r\n").await;
    let _end = connection.until("second\r\n0\r\n\r\n").await.expect("the answer's last chunk");
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_breaks_off_is_not_a_complete_one() {
    let complete = Arc::new(AtomicBool::new(false));
    let (ended, whole) = (Arc::new(AtomicBool::new(false)), complete.clone());
    let seen = ended.clone();
    let fake = Fake::start(move |mut hit| {
        let (ended, whole) = (seen.clone(), whole.clone());
        async move {
            whole.store(hit.connection.until("0\r\n\r\n").await.is_some(), Ordering::SeqCst);
            ended.store(true, Ordering::SeqCst);
            None::<Connection>
        }
    })
    .await;
    let edge = Edge::start(&[&fake]).await;
    let mut connection = edge.connect().await;
    let token = edge.token().await;
    let head = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
    );
    connection.write(head).await;
    eventually("the upstream has it", async || (fake.hits() == 1).then_some(())).await;
    drop(connection);
    eventually("the upstream's request ends", async || ended.load(Ordering::SeqCst).then_some(())).await;
    assert!(!complete.load(Ordering::SeqCst));
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_gone_ends_the_upstream_s_request() {
    let ended = Arc::new(AtomicBool::new(false));
    let seen = ended.clone();
    let fake = Fake::start(move |mut hit| {
        let ended = seen.clone();
        async move {
            if hit.head.contains("/logs/stream") {
                hit.connection
                    .write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
                    .await;
            }
            while hit.connection.fill().await {}
            ended.store(true, Ordering::SeqCst);
            None::<Connection>
        }
    })
    .await;
    let edge = Edge::start(&[&fake]).await;
    for path in ["/api/v1/jobs", "/api/v1/jobs/x/logs/stream"] {
        ended.store(false, Ordering::SeqCst);
        let hits = fake.hits();
        let mut connection = edge.connect().await;
        let token = edge.token().await;
        connection.write(format!("GET {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
        eventually("the upstream has it", async || (fake.hits() > hits).then_some(())).await;
        if path.ends_with("stream") {
            let _hello = connection.until("hello").await.unwrap();
        }
        drop(connection);
        eventually("the upstream's request ends", async || ended.load(Ordering::SeqCst).then_some(())).await;
    }
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_events_come_as_they_are_sent_and_end_with_the_gateway() {
    let fake = Fake::start(|mut hit| async move {
        hit.connection.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        for nth in 0..3 {
            hit.connection.write(format!("9\r\ndata: {nth}\n\n\r\n")).await;
        }
        while hit.connection.fill().await {}
        None::<Connection>
    })
    .await;
    let edge = Edge::start(&[&fake]).await;
    let response = edge.client.request(Method::GET, "/api/v1/jobs/x/logs/stream").send().await.unwrap();
    let mut body = response.bytes_stream();
    let mut text = String::new();
    while !text.ends_with("data: 2\n\n") {
        text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
    }
    assert_eq!(text, "data: 0\n\ndata: 1\n\ndata: 2\n\n");
    edge.end().await;
    assert!(body.next().await.is_none(), "an orderly end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_passes_both_ways() {
    let fake = Fake::start(|mut hit| async move {
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello";
        hit.connection.write(answer).await;
        // An echo until the client has said enough.
        let said = hit.connection.until("enough").await.unwrap();
        hit.connection.write(format!("you said {said}")).await;
        None::<Connection>
    })
    .await;
    let edge = Edge::start(&[&fake]).await;
    let mut connection = edge.connect().await;
    let token = edge.token().await;
    let request = format!(
        "GET /api/v1/jobs HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    connection.write(request).await;
    let head = connection.head().await.unwrap();
    assert!(head.starts_with("http/1.1 101 ") && header(&head, "upgrade") == Some("websocket"), "{head}");
    assert_eq!(header(&head, "sec-websocket-accept"), Some("s3pplmbitxaq9kygzzhzrbk+xoo="));
    let _hello = connection.until("hello").await.unwrap();
    connection.write("well, enough").await;
    assert_eq!(connection.rest().await, "you said well, enough");
    let seen = fake.last();
    assert_eq!((header(&seen, "upgrade"), header(&seen, "sec-websocket-version")), (Some("websocket"), Some("13")));
    edge.end().await;
}
