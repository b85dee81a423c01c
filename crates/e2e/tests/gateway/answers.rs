use std::time::Duration;

use reqwest::Method;

use crate::{
    edge::{Edge, gateway},
    fake::{Connection, Fake, header},
};

const MIB: usize = 1 << 20;

/// Uploads 8 MiB in two parts to `path` and reads the answer, which may come before the second.
async fn upload(edge: &Edge, path: &str, length: usize, credential: &str) -> String {
    let mut connection = edge.connect().await;
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: hub\r\n{credential}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    connection.write(head).await;
    connection.write(vec![b' '; MIB.min(length / 2)]).await;
    // The answer is on its way before the rest is sent.
    let answer = connection.head().await.expect("an answer, not a reset");
    connection.write(vec![b' '; length - MIB.min(length / 2)]).await;
    let body = connection.exactly(header(&answer, "content-length").unwrap().parse().unwrap()).await;
    format!("{answer}{}", String::from_utf8(body).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_refused_early_gets_its_whole_answer() {
    let fake = Fake::fine().await;
    let edge = Edge::with(&[&fake], |settings| settings.http.body_limit = 16 * MIB).await;
    let answer = upload(&edge, "/api/v1/jobs", 8 * MIB, "Authorization: Bearer wrong").await;
    assert!(answer.starts_with("http/1.1 401 ") && answer.contains("\"unauthorized\""), "{answer}");
    assert_eq!(fake.hits(), 0);
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_may_answer_before_it_has_read_everything() {
    let fake = Fake::start(|mut hit| async move {
        let body = "{\"code\":\"unauthorized\"}";
        let head = format!("HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        hit.connection.write(format!("{head}{body}")).await;
        // As actix does: it reads on for a while, so that the answer is not lost with the connection.
        while hit.connection.fill().await {}
        None
    })
    .await;
    let edge = Edge::start(&[&fake]).await;
    let answer = upload(&edge, "/api/v1/worker/reports", 3 * MIB, "X-Worker-API-Key: wrong").await;
    assert!(answer.starts_with("http/1.1 401 ") && answer.ends_with("{\"code\":\"unauthorized\"}"), "{answer}");
    assert_eq!(fake.hits(), 1);
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interim_answers_are_not_the_answer() {
    let fake = Fake::start(|mut hit| async move {
        hit.connection.write("HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n").await;
        hit.answer("200 OK", "ok").await
    })
    .await;
    let edge = Edge::start(&[&fake]).await;
    assert_eq!(edge.client.get("/api/v1/jobs").await.expect(200).text, "ok");
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_expects_100_gets_one_final_answer() {
    let fake = Fake::fine().await;
    let edge = Edge::with(&[&fake], |settings| settings.http.body_limit = 1024).await;
    let post = |length: usize| {
        let body = "x".repeat(length);
        format!(
            "POST /api/v1/jobs HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {{token}}\r\nExpect: 100-continue\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let refused = edge.raw(&post(2048)).await;
    let finals: Vec<&str> = refused.lines().filter(|line| line.starts_with("HTTP/1.1 ") && !line.starts_with("HTTP/1.1 100 ")).collect();
    assert_eq!((finals, fake.hits()), (vec!["HTTP/1.1 413 Payload Too Large"], 0), "{refused}");
    let taken = edge.raw(&post(1000)).await;
    assert!(taken.ends_with("ok"), "{taken}");
    assert_eq!((header(&fake.last(), "expect"), header(&fake.last(), "content-length")), (None, Some("1000")));
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_packed_stays_packed() {
    let fake = Fake::start(|mut hit| async move {
        let mut answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n".to_vec();
        answer.extend([0x1f, 0x8b, 8, 0, 0xff]);
        hit.connection.write(answer).await;
        Some(hit.connection)
    })
    .await;
    let edge = Edge::start(&[&fake]).await;
    let response = edge.client.request(Method::GET, "/api/v1/jobs").header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(response.headers().get_all("content-encoding").iter().collect::<Vec<_>>(), ["gzip"]);
    assert_eq!(response.bytes().await.unwrap()[..], [0x1f, 0x8b, 8, 0, 0xff]);
    assert_eq!(header(&fake.last(), "accept-encoding"), Some("gzip"));
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_are_the_client_s_to_follow() {
    let fake = Fake::start(|mut hit| async move {
        hit.connection.write("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n").await;
        Some(hit.connection)
    })
    .await;
    let edge = Edge::start(&[&fake]).await;
    let answer = edge.target("/api/v1/jobs").await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 302 ") && header(&answer, "location") == Some("/x"), "{answer}");
    assert_eq!(fake.hits(), 1);
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_may_take_longer_than_any_time_out_while_it_moves() {
    const PARTS: usize = 30;
    let fake = Fake::start(|mut hit| async move {
        hit.connection.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {PARTS}\r\n\r\n")).await;
        for _ in 0..PARTS {
            // Together twice the limit.
            tokio::time::sleep(Duration::from_millis(100)).await;
            hit.connection.write("x").await;
        }
        Some(hit.connection)
    })
    .await;
    let edge = Edge::with(&[&fake], |settings| gateway(settings, |gateway| gateway.idle_timeout = Duration::from_millis(1500))).await;
    assert_eq!(edge.client.get("/api/v1/jobs").await.expect(200).text.len(), PARTS);
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_silent_is_given_up() {
    let fake = Fake::start(|mut hit| async move {
        if hit.head.starts_with("get /api/v1/workers ") {
            hit.connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
        }
        // Until the gateway ends it.
        while hit.connection.fill().await {}
        None::<Connection>
    })
    .await;
    let edge = Edge::with(&[&fake], |settings| gateway(settings, |gateway| gateway.idle_timeout = Duration::from_millis(200))).await;
    assert_eq!(edge.client.get("/api/v1/jobs").await.problem(504).code, "gateway_timeout");
    let broken = edge.target("/api/v1/workers").await;
    assert!(broken.starts_with("HTTP/1.1 200 ") && broken.ends_with("abc"), "ended, and shorter than it says: {broken}");
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_a_length_has_a_limit_too() {
    let fake = Fake::start(|mut hit| async move {
        while hit.connection.fill().await {}
        None::<Connection>
    })
    .await;
    let edge = Edge::with(&[&fake], |settings| settings.http.body_limit = 1024).await;
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let text = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {{token}}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(3)
    );
    let answer = edge.raw(&text).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("too_large"), "{answer}");
    edge.end().await;
}
