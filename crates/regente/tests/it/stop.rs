//! How it stops.

use std::time::{Duration, Instant};

use domain::job::Status;
use serde_json::json;

use crate::{
    client::{Client, PASSWORD, WORKER_KEY},
    process::Place,
};

#[tokio::test]
async fn jobs_continue_while_their_hub_is_stopped() {
    let place = Place::new().with("REGENTE__ADMIN__PASSWORD", PASSWORD).with("REGENTE__LEASE__HEARTBEAT", "200ms");
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let client = Client::new(&address, PASSWORD).await;
    let ends =
        "echo begun; while [ ! -e ../../../go ]; do sleep 0.02; done; echo done; echo '{\"n\": 1}' > result.json; touch ../../../gone\n";
    let stays = "i=0; echo begun; while [ ! -e ../../../stop ]; do i=$((i+1)); echo line $i; sleep 0.05; done\n";
    let (ends, stays) = (place.write("ends.sh", ends), place.write("stays.sh", stays));
    let (ends, stays) = (client.shell("ends", &ends).await, client.shell("stays", &stays).await);
    let arguments = ["worker", "--server", &address, "--queue", "ends", "--queue", "stays", "--key-file", "data/worker-key"];
    // One slot is free: its claim waits with the hub.
    let worker = place.start(&[&arguments[..], &["--work-dir", "work", "--name", "robot", "--slots", "3"]].concat());
    let (ends, stays) = (client.execute(&ends).await.id, client.execute(&stays).await.id);
    for job in [ends, stays] {
        client.logged(job, "begun").await;
    }
    let start = Instant::now();
    let stopped = hub.stop().await;
    println!("stopped in {} ms", start.elapsed().as_millis());
    assert!(!stopped.err.contains("ERROR"), "{}", stopped.err);
    place.write("go", "");
    test_support::eventually("one ends while nobody serves", async || place.path("gone").exists().then_some(())).await;

    let place = place.with("REGENTE__HTTP__BIND", address.trim_start_matches("http://"));
    let mut hub = place.start(&["up"]);
    assert_eq!(hub.address().await, address);
    let ended = client.ended(ends).await;
    assert_eq!((ended.status, ended.result), (Status::Completed, Some(json!({"n": 1}))), "{:?}", ended.error_message);
    assert_eq!(client.messages(ends).await, ["begun", "done"]);
    let lines = client.messages(stays).await.len();
    test_support::eventually("the other goes on", async || (client.messages(stays).await.len() > lines + 3).then_some(())).await;
    place.write("stop", "");
    assert_eq!(client.ended(stays).await.status, Status::Completed);
    let expected = (1..).map(|n| format!("line {n}"));
    let messages = client.messages(stays).await;
    assert!(messages.iter().skip(1).cloned().eq(expected.take(messages.len() - 1)), "each line once: {messages:?}");
    assert_eq!(client.jobs().await.len(), 2, "no second attempt");
    worker.stop().await;
    hub.stop().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_log_streams() {
    let place = Place::new().with("REGENTE__ADMIN__PASSWORD", PASSWORD).with("REGENTE__WORKER__API_KEY", WORKER_KEY);
    let mut hub = place.start(&["up"]);
    let client = Client::new(&hub.address().await, PASSWORD).await;
    let automation = client.shell("listened", "x").await;
    let job = client.execute(&automation).await;
    let stream = client.response(&format!("/api/v1/jobs/{}/logs/stream", job.id)).await.unwrap();
    assert_eq!(stream.status(), 200);
    let body = json!({"name": "waiting", "queues": ["nothing-here"], "slots": 1});
    let worker: serde_json::Value = client.post_as_worker("register", &body).await.json().await.unwrap();
    let body = json!({"worker_id": worker["worker_id"], "queues": ["nothing-here"], "wait_s": 60});
    let (claim, ended) = tokio::join!(client.post_as_worker("jobs/claim", &body), async {
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
