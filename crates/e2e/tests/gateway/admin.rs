use regente::{Hub, HubOptions};
use serde_json::{Value, json};
use test_support::{Backend, TestDatabase};

use crate::{
    edge::{self, Edge, gateway},
    fake::Fake,
};

async fn read(url: &str) -> Value {
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.status(), 200, "{url}");
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_services_upstreams_and_routes() {
    let fine = Fake::start(|hit| async move {
        let status = if hit.head.starts_with("post") { "422 Unprocessable Content" } else { "200 OK" };
        hit.answer(status, "0123456789").await
    })
    .await;
    let edge = Edge::start(&[&fine]).await;
    let admin = edge.admin();
    let idle = read(&format!("{admin}/services")).await;
    assert_eq!((&idle[0]["name"], &idle[0]["upstreams"][0]["latency_ms"]), (&json!("orchestrator"), &Value::Null));
    for _ in 0..3 {
        let _read = edge.client.get("/api/v1/jobs").await.expect(200);
    }
    let _refused = edge.client.post("/api/v1/jobs", &json!({})).await.expect(422);
    let status = read(&format!("{admin}/status")).await;
    assert_eq!((&status["status"], &status["services"]), (&json!("ok"), &json!([{"name": "orchestrator", "state": "up"}])));
    let upstream = &read(&format!("{admin}/services")).await[0]["upstreams"][0];
    assert_eq!(upstream["requests"], json!({"1xx": 0, "2xx": 3, "3xx": 0, "4xx": 1, "5xx": 0}), "{upstream}");
    assert_eq!((&upstream["bytes_in"], &upstream["bytes_out"], &upstream["outstanding"]), (&json!(2), &json!(40), &json!(0)));
    assert_eq!((&upstream["healthy"], &upstream["breaker"], &upstream["url"]), (&json!(true), &json!("closed"), &json!(fine.url)));
    assert!(["p50", "p95", "p99"].iter().all(|quantile| upstream["latency_ms"][quantile].as_f64().unwrap() > 0.0), "{upstream}");
    let routes = read(&format!("{admin}/routes")).await;
    let jobs = routes.as_array().unwrap().iter().find(|route| route["path"] == "/api/v1/jobs" && route["method"] == "GET").unwrap();
    assert_eq!(jobs, &json!({"service": "orchestrator", "method": "GET", "path": "/api/v1/jobs", "requests": 3}));
    let plugins = read(&format!("{admin}/plugins")).await;
    let checks = plugins.as_array().unwrap().iter().find(|plugin| plugin["name"] == "health-checks").unwrap();
    assert_eq!(checks["enabled"], json!(false), "{checks}");
    assert_eq!(reqwest::get(format!("{admin}/nothing")).await.unwrap().status(), 404);
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_without_upstreams_that_work_is_down() {
    let gone = Fake::gone();
    let edge = Edge::start(&[&gone]).await;
    for _ in 0..5 {
        let _away = edge.client.get("/api/v1/jobs").await.expect(503);
    }
    let status = read(&format!("{}/status", edge.admin())).await;
    assert_eq!((&status["status"], &status["services"][0]["state"]), (&json!("degraded"), &json!("down")));
    let upstream = &read(&format!("{}/services", edge.admin())).await[0]["upstreams"][0];
    assert_eq!((&upstream["breaker"], &upstream["failures"]), (&json!("open"), &json!(5)), "{upstream}");
    assert!(upstream["ejected_until"].is_string());
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_address_that_is_taken_is_a_clear_start_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::create(Backend::Sqlite).await.unwrap());
    let mut settings = edge::settings(&[], &folder, &database);
    gateway(&mut settings, |gateway| gateway.admin_bind.clone_from(&address));
    let started = Hub::start_with(settings, HubOptions::default(), vec![Box::new(api_gateway::Service)]).await;
    let error = started.err().unwrap().to_string();
    assert!(error.contains(&format!("gateway.admin_bind = {address}")), "{error}");
    database.close().await.unwrap();
}
