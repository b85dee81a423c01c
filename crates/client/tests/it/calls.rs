//! One request: its answer, its refusal, and when it is sent again.

use std::time::Duration;

use api_types::{AutomationCreate, ControlRequest, FieldError, JobCreate};
use client::{Client, Error, Settings};
use uuid::Uuid;

use crate::server::{Answer, Server, answer, ok, problem};

const HEALTH: &str =
    r#"{"status":"ok","version":"9","database":"ok","broker":"none","uptime_s":1,"now":"2026-11-26T00:00:00Z","later":[1.0]}"#;

fn request(key: Option<&str>) -> JobCreate {
    JobCreate { automation_id: 1.into(), idempotency_key: key.map(str::to_owned), ..JobCreate::default() }
}

#[tokio::test]
async fn an_answer_is_typed_and_its_text_is_the_hub_s_own() {
    let server = Server::start([ok(HEALTH), ok(HEALTH)]).await;
    assert_eq!(server.client().health().await.unwrap().version, "9");
    assert_eq!(server.client().health().text().await.unwrap(), HEALTH);
    assert!(server.requests()[0].starts_with("GET /api/v1/health HTTP/1.1\r\n"));
}

#[tokio::test]
async fn an_empty_answer_is_one() {
    let server = Server::start([answer("204 No Content", "", "")]).await;
    server.client().domain_delete(Uuid::nil().into()).await.unwrap();
    assert!(server.requests()[0].starts_with("DELETE /api/v1/domains/00000000-0000-0000-0000-000000000000 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_refusal_keeps_everything_that_the_hub_returned() {
    let server = Server::start([problem(422, "invalid", "retry-after: 3\r\n")]).await;
    let error = server.client().job_create(&request(None)).await.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!((refusal.status, refusal.code.as_str(), refusal.detail.as_str()), (422, "invalid", "não pode"));
    assert_eq!(refusal.errors, [FieldError { field: "parameters/cnpj".into(), message: "is required".into() }]);
    assert_eq!((error.retry_after(), error.to_string().as_str()), (Some(Duration::from_secs(3)), "não pode"));
}

#[tokio::test]
async fn an_answer_of_another_program_is_recognised() {
    let redirect = answer("307 Temporary Redirect", "location: https://hub/api\r\n", "");
    let server = Server::start([answer("404 Not Found", "", "<html>\u{1b}[31mnginx</html>"), redirect, ok("[1]")]).await;
    let signed = server.client().with_token(&"secret".into()).unwrap();
    let not_found = signed.health().await.unwrap_err();
    assert_eq!((not_found.status(), not_found.refusal().unwrap().code.as_str()), (Some(404), ""));
    assert_eq!(not_found.to_string(), "404 Not Found: <html>[31mnginx</html>");
    let moved = signed.automation_create(&AutomationCreate::default()).await.unwrap_err();
    assert!(moved.to_string().contains("https://hub/api"), "{moved}");
    let strange = signed.health().await.unwrap_err();
    assert!(matches!(&strange, Error::Answer { .. }) && !strange.is_transient(), "{strange}");
    assert_eq!(server.requests().len(), 3, "nothing of this is asked again");
}

#[tokio::test]
async fn a_request_to_an_overloaded_hub_is_repeated() {
    let server = Server::start([problem(429, "too_many_requests", "retry-after: 1\r\n"), ok(HEALTH)]).await;
    server.client().health().await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn requests_are_repeated_only_if_the_hub_did_not_start_them() {
    let body = AutomationCreate::default();
    for (first, again) in [
        (problem(429, "too_many_requests", ""), true),
        (problem(503, "overloaded", ""), true),
        (problem(503, "unavailable", ""), false),
        (problem(408, "too_slow", ""), false),
        (problem(500, "internal", ""), false),
        (Answer::Close, false),
    ] {
        let server = Server::start([first, problem(409, "name_taken", "")]).await;
        let error = server.client().automation_create(&body).await.unwrap_err();
        assert_eq!((server.requests().len() == 2, error.status() == Some(409)), (again, again), "{error}");
    }
}

#[tokio::test]
async fn a_request_for_a_job_is_repeated_only_with_a_key() {
    let lost = || [Answer::Close, problem(503, "unavailable", ""), problem(404, "not_found", "")];
    let server = Server::start(lost()).await;
    let error = server.client().job_create(&request(Some("k-1"))).await.unwrap_err();
    assert_eq!((error.status(), server.requests().len()), (Some(404), 3));
    assert!(server.requests().iter().all(|request| request.contains("\"idempotency_key\":\"k-1\"")));
    let server = Server::start(lost()).await;
    let error = server.client().automation_execute(7.into(), &serde_json::Map::new(), &Default::default(), Some("k-2")).await.unwrap_err();
    assert_eq!((error.status(), server.requests().len()), (Some(404), 3));
    assert!(server.requests().iter().all(|request| request.contains("idempotency-key: k-2")));
    let server = Server::start(lost()).await;
    let error = server.client().job_create(&request(None)).await.unwrap_err();
    assert!(matches!(error, Error::Unanswered { .. }) && !error.is_undone(), "{error}");
    assert_eq!(server.requests().len(), 1);
}

/// So it heeds what the hub says: with pauses of its own it would ask again within its patience.
#[tokio::test]
async fn a_request_is_not_repeated_when_the_hub_asks_to_wait_longer_than_its_patience() {
    for patience in [Duration::ZERO, Duration::from_secs(20)] {
        let server = Server::start([problem(503, "overloaded", "retry-after: 21\r\n"), ok(HEALTH)]).await;
        let client = Client::new(Settings { patience, ..server.settings() }).unwrap();
        assert_eq!(client.health().await.unwrap_err().status(), Some(503));
        assert_eq!(server.requests().len(), 1);
    }
}

/// An address where nobody listens: no program of a test gets this port.
const NOBODY: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn the_next_address_is_asked_when_one_does_not_connect() {
    let (first, second) = (Server::start([ok(HEALTH)]).await, Server::start([ok(HEALTH), problem(404, "not_found", ""), ok(HEALTH)]).await);
    let others = vec![NOBODY.to_owned(), second.url.clone()];
    let client = Client::new(Settings { others, ..first.settings() }).unwrap();
    client.health().await.unwrap();
    assert_eq!((first.requests().len(), second.requests().len(), client.url()), (1, 0, first.url.as_str()));
    client.health().await.unwrap();
    assert_eq!((second.requests().len(), client.url()), (1, second.url.as_str()), "the first has gone, the one between is nobody's");
    let error = client.job_create(&request(None)).await.unwrap_err();
    assert_eq!((error.status(), second.requests().len()), (Some(404), 2), "the one that answered stays, also for what is not repeatable");
    client.clone().health().await.unwrap();
    let error = client.health().await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { .. }), "nobody is there any more: {error}");
}

/// The first address breaks off; what may not be asked twice is not asked of another either.
#[tokio::test]
async fn an_address_that_connected_may_have_done_what_was_asked() {
    let (first, second) = (Server::start([Answer::Close]).await, Server::start([ok(HEALTH)]).await);
    let client = Client::new(Settings { others: vec![second.url.clone()], ..first.settings() }).unwrap();
    let error = client.job_create(&request(None)).await.unwrap_err();
    assert!(matches!(error, Error::Unanswered { .. }), "{error}");
    assert!(second.requests().is_empty());
}

#[tokio::test]
async fn whether_a_requested_job_is_new_is_in_the_answer_s_head() {
    let job = serde_json::json!({"id": Uuid::nil(), "job_id": Uuid::nil(), "automation_id": 1, "queue_name": "q", "status": "pending", "trigger": "API",
        "priority": 5, "parameters": {}, "attempt": 1, "created_at": "2026-11-26T00:00:00Z"});
    let accepted = |headers: &str| answer("202 Accepted", headers, &job.to_string());
    let server = Server::start([accepted(""), accepted("idempotency-replayed: true\r\n")]).await;
    for existed in [false, true] {
        let requested = server.client().job_request(&request(Some("k"))).await.unwrap();
        assert_eq!((requested.job.priority, requested.existed), (5, existed));
    }
}

#[tokio::test]
async fn an_unreachable_hub_is_an_error_at_once() {
    let settings = Settings { patience: Duration::from_secs(3600), others: vec![NOBODY.to_owned()], ..Settings::new(NOBODY) };
    let client = Client::new(settings).unwrap();
    let error = client.job_cancel(Uuid::nil().into(), &ControlRequest::default()).await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { .. }) && error.is_undone(), "{error}");
    assert!(error.to_string().contains(NOBODY) && error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_silent_hub_times_out() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let limit = Duration::from_millis(50);
    let client = Client::new(Settings { timeout: limit, patience: Duration::ZERO, ..Settings::new(&url) }).unwrap();
    let error = client.health().await.unwrap_err();
    assert!(matches!(&error, Error::Unanswered { reason, .. } if reason == "no answer in time"), "{error}");
}
