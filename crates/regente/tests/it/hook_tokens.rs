//! What a gateway logs of requests to hooks, whose addresses are secrets.

use reqwest::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    client::PASSWORD,
    process::{Place, Running},
};

/// Looks like the token of a hook, and is none.
const TOKEN: &str = "rgh_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfG";

/// A place for a gateway that logs all that it can of a request, in front of this scheduler.
fn before(scheduler: &str) -> Place {
    Place::new()
        .with("REGENTE__ADMIN__PASSWORD", PASSWORD)
        .with("REGENTE__LOG__FILTER", "trace")
        .with("REGENTE__SERVICES__SCHEDULER", scheduler)
        .with("REGENTE__GATEWAY__HEALTH_INTERVAL", "0s")
}

/// A request to the hook, as its sender makes it.
async fn post(address: &str) -> StatusCode {
    let client = ::client::Client::new(::client::Settings::new(address)).unwrap();
    client.bare(Method::POST, &format!("/api/v1/hooks/{TOKEN}")).body("{}").send().await.unwrap().status()
}

/// What a process has logged at its end, which has no part of the token.
async fn log_without_token(running: Running) -> String {
    let ended = running.stop().await;
    let log = format!("{}{}", ended.out, ended.err);
    assert_eq!(log.lines().find(|line| line.contains(&TOKEN[4..20])), None);
    log
}

/// An upstream that reads a request and answers with these bytes, or with nothing.
async fn upstream(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _read = stream.read(&mut head).await;
            let _sent = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn a_gateway_does_not_log_a_hook_s_token_when_its_upstream_fails() {
    for (answer, status) in [
        ("", StatusCode::BAD_GATEWAY),
        ("HTTP/1.1 2", StatusCode::BAD_GATEWAY),
        ("nonsense\r\n\r\n", StatusCode::BAD_GATEWAY),
        ("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let place = before(&upstream(answer).await);
        let mut gateway = place.start(&["api-gateway"]);
        let address = gateway.address().await;
        assert_eq!(post(&address).await, status, "{answer:?}");
        let log = log_without_token(gateway).await;
        assert_eq!(log.contains("an upstream gave no answer"), status == StatusCode::BAD_GATEWAY, "{log}");
    }
    let place = before("http://127.0.0.1:1");
    let mut gateway = place.start(&["api-gateway"]);
    let address = gateway.address().await;
    assert_eq!(post(&address).await, StatusCode::SERVICE_UNAVAILABLE);
    let log = log_without_token(gateway).await;
    assert!(log.contains("request failed") || log.contains("request refused"), "{log}");
}
