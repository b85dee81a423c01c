//! Paused queues.

use serde_json::{Value, json};
use test_support::Backend;

use crate::app::{TestApp, on_both};

async fn a_paused_queue_starts_nothing_until_it_is_resumed(backend: Backend) {
    let app = TestApp::spawn(backend).await;
    let automation = app.automation(json!({})).await;
    let worker = app.worker("w1").await;
    let first = app.execute(automation).await;
    app.post("/api/v1/queues/invoices/pause", &json!({})).await.ok::<Value>(200);
    let second = app.execute(automation).await;
    assert_eq!(app.claim(worker, 5, 0.3).await.len(), 0);
    assert_eq!(app.job(first).await["waiting_reason"]["code"], "queue_paused");

    let resume = async {
        app.post("/api/v1/queues/invoices/resume", &json!({})).await.ok::<Value>(200);
    };
    let (jobs, ()) = tokio::join!(app.claim(worker, 5, 30.0), resume);
    assert_eq!(jobs.iter().map(|job| job.job_id).collect::<Vec<_>>(), [first, second], "in the order of their age");
    app.end().await;
}

on_both!(a_paused_queue_starts_nothing_until_it_is_resumed);
