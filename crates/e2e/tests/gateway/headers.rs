use crate::{
    edge::Edge,
    fake::{Fake, header},
};

fn request(more: &str) -> String {
    format!("GET /api/v1/jobs HTTP/1.1\r\nHost: hub.example\r\nAuthorization: Bearer {{token}}\r\n{more}\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_cannot_remove_or_write_the_gateway_s_headers() {
    let fake = Fake::fine().await;
    let edge = Edge::with(&[&fake], |settings| settings.http.trusted_proxies.clear()).await;
    let answer = edge
        .raw(&request(
            "Connection: close, X-Forwarded-Proto, X-Request-Id, X-Auth-Subject\r\nTE: trailers\r\nKeep-Alive: timeout=5\r\nProxy-Authorization: Basic eA==\r\n\
             X-Auth-Subject: admin\r\nX-Forwarded-For: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Request-Id: not \"an id\"\r\n\
             traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
        ))
        .await;
    let seen = fake.last();
    assert_eq!(header(&seen, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!((header(&seen, "x-forwarded-proto"), header(&seen, "x-forwarded-host")), (Some("http"), Some("hub.example")));
    assert!(header(&seen, "traceparent").unwrap().starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{seen}");
    assert!(!seen.contains("b7ad6b7169203331"), "this hop is the parent: {seen}");
    let id = header(&seen, "x-request-id").unwrap();
    assert!(uuid::Uuid::parse_str(id).is_ok() && answer.contains(&format!("x-request-id: {id}")), "{answer}");
    for name in ["connection", "te", "keep-alive", "proxy-authorization", "x-auth-subject", "forwarded"] {
        assert_eq!(header(&seen, name), None, "{seen}");
    }
    assert!(header(&seen, "authorization").unwrap().starts_with("bearer ") && header(&seen, "host") == Some("hub.example"), "{seen}");
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_trusted_proxy_says_counts() {
    let fake = Fake::fine().await;
    let edge = Edge::start(&[&fake]).await;
    let more = "Connection: close\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\
                X-Forwarded-Host: public.example\r\nX-Request-Id: from-the-proxy\r\n";
    let _answer = edge.raw(&request(more)).await;
    let seen = fake.last();
    assert_eq!(header(&seen, "x-forwarded-for"), Some("198.51.100.7"));
    assert_eq!((header(&seen, "x-forwarded-proto"), header(&seen, "x-forwarded-host")), (Some("https"), Some("public.example")));
    assert_eq!(header(&seen, "x-request-id"), Some("from-the-proxy"));
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_loses_what_concerns_its_connection_alone() {
    let fake = Fake::start(|mut hit| async move {
        let head = "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\
                    Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        hit.connection.write(head).await;
        None
    })
    .await;
    let edge = Edge::start(&[&fake]).await;
    let answer = edge.client.get("/api/v1/jobs").await.expect(200);
    assert_eq!((answer.text.as_str(), answer.headers.get_all("set-cookie").iter().count()), ("ok", 2));
    assert!(["x-hop", "keep-alive"].iter().all(|name| !answer.headers.contains_key(*name)), "{:?}", answer.headers);
    edge.end().await;
}
