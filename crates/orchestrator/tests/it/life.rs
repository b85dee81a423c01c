//! A job from its acceptance to its end.

use serde_json::{Value, json};
use test_support::Backend;

use crate::app::{TestApp, on_both};

async fn a_job_is_accepted_claimed_logged_and_finished(backend: Backend) {
    let app = TestApp::spawn(backend).await;
    let automation = app.automation(json!({})).await;
    let id = app.execute(automation).await;
    assert_eq!(app.job(id).await["status"], "pending");

    let worker = app.worker("w1").await;
    let jobs = app.claim(worker, 1, 10.0).await;
    assert_eq!(jobs.iter().map(|job| job.job_id).collect::<Vec<_>>(), [id]);
    assert_eq!(app.job(id).await["status"], "running");
    assert_eq!(app.report(id, "start", &json!({})).await.code(409), "lease_held", "nobody else gets it");

    app.report(id, "log", &json!({"entries": [{"level": "INFO", "message": "one"}, {"level": "ERROR", "message": "two"}]}))
        .await
        .ok::<Value>(201);
    app.report(id, "progress", &json!({"percent": 40.0})).await.ok::<Value>(200);
    let finished: Value = app.report(id, "finish", &json!({"status": "completed", "result": {"invoices": 3}})).await.ok(200);
    assert_eq!(finished["status"], "completed");

    let job = app.job(id).await;
    assert_eq!((&job["status"], &job["result"], &job["progress"]["percent"]), (&json!("completed"), &json!({"invoices": 3}), &json!(40.0)));
    let lines: Vec<Value> = app.get(&format!("/api/v1/jobs/{id}/logs")).await.ok(200);
    assert_eq!(lines.iter().map(|line| line["message"].as_str().unwrap()).collect::<Vec<_>>(), ["one", "two"]);
    let late: Value = app.report(id, "finish", &json!({"status": "failed"})).await.ok(200);
    assert_eq!(late["status"], "completed", "the first result stays");
    app.end().await;
}

async fn a_failed_job_is_retried_once(backend: Backend) {
    let app = TestApp::spawn(backend).await;
    let automation = app.automation(json!({"retry_policy": {"max_attempts": 2, "base_s": 0.0}})).await;
    let first = app.execute(automation).await;
    let worker = app.worker("w1").await;
    for attempt in 1..=2 {
        let jobs = app.claim(worker, 1, 10.0).await;
        assert_eq!(jobs.iter().map(|job| job.attempt).collect::<Vec<_>>(), [attempt]);
        app.report(jobs[0].job_id, "finish", &json!({"status": "failed", "error_class": "ROBOT_ERROR"})).await.ok::<Value>(200);
    }
    let jobs = app.jobs().await;
    let retry = jobs.iter().find(|job| job["retry_of"] == json!(first)).unwrap();
    assert_eq!((jobs.len(), &retry["status"]), (2, &json!("failed")), "no attempt is left");
    app.end().await;
}

async fn a_waiting_claim_gets_a_new_job(backend: Backend) {
    let app = TestApp::spawn(backend).await;
    let automation = app.automation(json!({})).await;
    let worker = app.worker("w1").await;
    let (jobs, id) = tokio::join!(app.claim(worker, 1, 30.0), app.execute(automation));
    assert_eq!(jobs.iter().map(|job| job.job_id).collect::<Vec<_>>(), [id]);
    app.end().await;
}

on_both!(a_job_is_accepted_claimed_logged_and_finished, a_failed_job_is_retried_once, a_waiting_claim_gets_a_new_job);
