//! How it stops.

use std::time::Duration;

use serde_json::json;

use crate::{
    client::{Client, PASSWORD},
    process::Place,
};

#[tokio::test]
async fn a_stop_does_not_wait_for_those_who_only_listen() {
    let place = Place::new().with("REGENTE__ADMIN__PASSWORD", PASSWORD);
    let mut hub = place.start(&["up"]);
    let client = Client::new(&hub.address().await, PASSWORD).await;
    let automation = client.shell("listened", "x").await;
    let job = client.execute(&automation).await;
    let stream = client.response(&format!("/api/v1/jobs/{}/logs/stream", job.id)).await.unwrap();
    assert_eq!(stream.status(), 200);
    let body = json!({"name": "waiting", "queues": ["nothing-here"], "slots": 1});
    let worker: serde_json::Value = client.post("/api/v1/worker/register", &body).await.json().await.unwrap();
    let body = json!({"worker_id": worker["worker_id"], "queues": ["nothing-here"], "wait_s": 60});
    let (claim, ended) = tokio::join!(client.post("/api/v1/worker/jobs/claim", &body), async {
        // Long enough for the claim to be waiting, which no answer can tell.
        tokio::time::sleep(Duration::from_millis(300)).await;
        hub.stop().await
    });
    assert_eq!((claim.status().as_u16(), claim.text().await.unwrap().as_str()), (200, "[]"), "an orderly answer");
    assert!(!ended.err.contains("ERROR"), "{}", ended.err);
    drop(stream);
}

#[tokio::test]
async fn logs_as_json_are_one_object_a_line_on_standard_output() {
    let place = Place::new().with("REGENTE__LOG__FORMAT", "json");
    let mut hub = place.start(&["up"]);
    hub.address().await;
    let ended = hub.stop().await;
    let logged: Vec<serde_json::Value> =
        ended.out.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(logged.iter().any(|line| line["message"] == "shutting down" && line["level"] == "INFO"), "{}", ended.out);
    assert_eq!(ended.err, "");
}
