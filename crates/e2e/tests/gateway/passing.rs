//! What every answer has, whose address and pages are let in, and what is compressed.

use std::io::Read as _;

use reqwest::{Method, StatusCode, header::HeaderMap};
use runtime::Settings;

use crate::{
    edge::Edge,
    fake::{Fake, header},
};

const ME: &str = "/api/v1/auth/me";
const PORTAL: &str = "https://portal.example";

fn is(headers: &HeaderMap, name: &str, value: &str) -> bool {
    headers.get_all(name).iter().collect::<Vec<_>>() == [value]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_keeps_browsers_from_making_more_of_it() {
    let edge = Edge::start(&[&Fake::fine().await]).await;
    for path in [ME, "/api/v1/jobs", "/nothing", "/a/../b"] {
        let answer = edge.client.get(path).await;
        for (name, value) in [
            ("content-security-policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert!(is(&answer.headers, name, value), "{path} {name}: {:?}", answer.headers);
        }
        assert!(!answer.headers.contains_key("strict-transport-security"), "not over HTTP");
    }
    let secure = edge.client.send(edge.client.request(Method::GET, ME).header("X-Forwarded-Proto", "https")).await;
    assert!(is(&secure.headers, "strict-transport-security", "max-age=31536000"), "{:?}", secure.headers);
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_one_id_from_the_client_to_the_service() {
    let fake = Fake::fine().await;
    let edge = Edge::with(&[&fake], |settings| settings.http.trusted_proxies.clear()).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = edge.client.request(Method::GET, "/api/v1/jobs").header("X-Request-Id", "order-17.b");
    let answer = edge.client.send(request.header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))).await;
    assert!(is(&answer.headers, "x-request-id", "order-17.b"));
    assert_eq!(header(&fake.last(), "x-request-id"), Some("order-17.b"));
    let made = edge.client.get("/api/v1/jobs").await;
    let id = made.headers["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(header(&fake.last(), "x-request-id"), Some(id.as_str()));
    assert!(header(&fake.last(), "traceparent").unwrap().starts_with(&format!("00-{}-", id.replace('-', ""))), "{}", fake.last());
    let refused = edge.client.send(edge.client.bare(Method::GET, ME).header("X-Request-Id", "r-1")).await;
    let problem = refused.problem(401);
    assert_eq!((problem.request_id.as_deref(), problem.trace_id.map(|id| id.len())), (Some("r-1"), Some(32)));
    let ambiguous = edge.client.send(edge.client.bare(Method::GET, "/a%00").header("X-Request-Id", "r-2")).await;
    assert_eq!(ambiguous.problem(400).request_id.as_deref(), Some("r-2"), "what is refused first");
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_are_let_in_by_list_and_deny_wins() {
    let change = |settings: &mut Settings| {
        settings.edge.allow = vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        settings.edge.deny = vec!["192.0.2.128/25".parse().unwrap()];
    };
    let edge = Edge::with(&[], change).await;
    let from = async |address: &str, path: &str| {
        let request = edge.client.request(Method::GET, path).header("X-Forwarded-For", address);
        edge.client.send(request).await
    };
    for (address, expected) in
        [("192.0.2.1", 200), ("192.0.2.129", 403), ("2001:db8::1", 200), ("198.51.100.1", 403), ("::ffff:192.0.2.1", 200), ("unknown", 403)]
    {
        assert_eq!(from(address, ME).await.status, expected, "{address}");
    }
    assert_eq!(from("198.51.100.1", ME).await.problem(403).code, "forbidden");
    let _probe = from("198.51.100.1", "/health/live").await.expect(200);
    edge.end().await;
}

async fn portal(fake: &Fake) -> Edge {
    Edge::with(&[fake], |settings| settings.edge.cors_origins = vec![PORTAL.to_owned()]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_listed_sites_may_call_and_others_are_refused() {
    let fake = Fake::fine().await;
    let edge = portal(&fake).await;
    let preflight = |origin: &str| {
        let request = edge.client.bare(Method::OPTIONS, "/api/v1/jobs").header("Origin", origin.to_owned());
        edge.client.send(
            request.header("Access-Control-Request-Method", "POST").header("Access-Control-Request-Headers", "authorization,content-type"),
        )
    };
    let answer = preflight(PORTAL).await.expect(200);
    assert!(is(&answer.headers, "access-control-allow-origin", PORTAL), "{:?}", answer.headers);
    assert!(answer.headers["access-control-allow-headers"].to_str().unwrap().to_lowercase().contains("authorization"));
    assert_eq!(fake.hits(), 0, "answered by the edge");
    let from = |origin: &str| edge.client.send(edge.client.request(Method::GET, "/api/v1/jobs").header("Origin", origin.to_owned()));
    let answer = from(PORTAL).await.expect(200);
    assert!(is(&answer.headers, "access-control-allow-origin", PORTAL));
    assert!(answer.headers["access-control-expose-headers"].to_str().unwrap().contains("x-request-id"));
    assert!(answer.headers["vary"].to_str().unwrap().contains("Origin"));
    for other in ["https://portal.example.evil.example", "http://portal.example", "null", "https://portal.example:8443"] {
        let refused = from(other).await;
        assert_eq!(refused.problem(403).code, "forbidden", "{other}");
        assert!(!refused.headers.contains_key("access-control-allow-origin"), "{other}");
        assert_eq!(preflight(other).await.problem(403).code, "forbidden", "{other}");
    }
    assert_eq!(fake.hits(), 1);
    let own = edge.hub.url();
    let _own = from(&own).await.expect(200);
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_list_only_the_hub_s_own_pages_may_call() {
    let edge = Edge::start(&[]).await;
    let from = |origin: &str| edge.client.send(edge.client.request(Method::GET, ME).header("Origin", origin.to_owned()));
    let _own = from(&edge.hub.url()).await.expect(200);
    let _refused = from(PORTAL).await.expect(403);
    let forwarded = edge.client.request(Method::GET, ME).header("X-Forwarded-Host", "portal.example").header("Origin", PORTAL);
    let _own = edge.client.send(forwarded).await.expect(200);
    edge.end().await;
}

/// The status, headers and bytes of a GET by a client that accepts gzip.
async fn zipped(edge: &Edge, path: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let answer = edge.client.request(Method::GET, path).header("Accept-Encoding", "gzip, br").send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_answers_are_compressed_where_no_secret_is_in_them() {
    let edge = Edge::start(&[]).await;
    let plain = edge.client.get("/api/v1/openapi.json").await.expect(200);
    assert!(!plain.headers.contains_key("content-encoding") && is(&plain.headers, "vary", "accept-encoding"), "{:?}", plain.headers);
    let (status, headers, bytes) = zipped(&edge, "/api/v1/openapi.json").await;
    assert!(status == 200 && is(&headers, "content-encoding", "gzip") && bytes.len() < plain.text.len() / 4, "{headers:?}");
    let mut text = String::new();
    let _read = flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
    assert!(text == plain.text);
    for path in ["/api/v1/health", "/api/v1/auth/sessions", ME] {
        assert!(!zipped(&edge, path).await.1.contains_key("content-encoding"), "{path}");
    }
    edge.end().await;
    let edge = Edge::with(&[], |settings| settings.edge.compression = false).await;
    assert!(!zipped(&edge, "/api/v1/openapi.json").await.1.contains_key("content-encoding"));
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_through_is_not_compressed_again() {
    let fake = Fake::start(|hit| async { hit.answer("200 OK", &"x".repeat(10_000)).await }).await;
    let edge = Edge::start(&[&fake]).await;
    let (status, headers, bytes) = zipped(&edge, "/api/v1/jobs").await;
    assert!(status == 200 && !headers.contains_key("content-encoding") && bytes.len() == 10_000, "{headers:?}");
    assert_eq!(header(&fake.last(), "accept-encoding"), Some("gzip, br"), "the service may");
    edge.end().await;
}
