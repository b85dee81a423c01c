//! Limits while many ask at once.

use std::collections::HashSet;

use domain::ids::JobId;
use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::Backend;

use crate::app::{TestApp, on_both};

const JOBS: usize = 12;

/// Lets four workers claim and finish all jobs; how many were held at once at most.
async fn work_off(app: &TestApp, names: [&str; 4]) -> usize {
    let workers = join_all(names.map(|name| app.worker(name))).await;
    let (mut done, mut most) = (HashSet::new(), 0);
    while done.len() < JOBS {
        let claims = join_all(workers.iter().map(|worker| app.claim(*worker, 3, 0.2))).await;
        let held: Vec<JobId> = claims.into_iter().flatten().map(|job| job.job_id).collect();
        most = most.max(store::jobs::job_list_held_unscoped(&app.database).await.unwrap().len());
        let finish = json!({"status": "completed"});
        for answer in join_all(held.iter().map(|id| app.report(*id, "finish", &finish))).await {
            answer.ok::<Value>(200);
        }
        for id in held {
            assert!(done.insert(id), "each job runs once");
        }
    }
    most
}

async fn no_more_jobs_run_at_once_than_an_automation_allows(backend: Backend) {
    let app = TestApp::spawn(backend).await;
    let automation = app.automation(json!({"max_concurrency": 2})).await;
    join_all((0..JOBS).map(|_| app.execute(automation))).await;
    assert_eq!(work_off(&app, ["a", "b", "c", "d"]).await, 2);
    app.end().await;
}

async fn no_more_jobs_with_a_key_run_at_once_than_its_limit(backend: Backend) {
    let app = TestApp::spawn(backend).await;
    let automation = app.automation(json!({"concurrency_key": "customer", "concurrency_key_limit": 1})).await;
    join_all((0..JOBS).map(|_| app.execute(automation))).await;
    assert_eq!(work_off(&app, ["a", "b", "c", "d"]).await, 1);
    app.end().await;
}

on_both!(no_more_jobs_run_at_once_than_an_automation_allows, no_more_jobs_with_a_key_run_at_once_than_its_limit);
