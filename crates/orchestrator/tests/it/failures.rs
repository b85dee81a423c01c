//! What the database refuses, and what happens when it is away.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use store::job_logs::{Chunk, Line, chunk_insert_many_in_txn};
use test_support::{Backend, eventually};

use crate::app::{TestApp, on_both};

fn line(message: &str) -> Line {
    Line { timestamp: chrono::Utc::now(), level: domain::log::Level::Info, message: message.to_owned(), actionable: false }
}

/// Commands that come in while the writer waits share the next transaction; the one that the database refuses fails alone.
async fn a_bad_row_fails_alone(backend: Backend) {
    let app = TestApp::spawn(backend).await;
    let automation = app.automation(json!({})).await;
    let jobs = join_all((0..4).map(|_| app.execute(automation))).await;
    for id in &jobs {
        app.report(*id, "start", &json!({})).await.ok::<Value>(200);
    }
    let (blocker, bad) = (jobs[0], jobs[1]);
    // A line with this number is there already, which no request can bring about.
    let txn = app.database.begin().await.unwrap();
    let lines = [line("an earlier line")];
    chunk_insert_many_in_txn(&txn, &[Chunk { job_id: bad, first_line: 1, lines: &lines }], chrono::Utc::now()).await.unwrap();
    txn.commit().await.unwrap();

    // While the blocker's row is locked, the writer waits, and what comes in gathers.
    let lock = app.database.begin().await.unwrap();
    store::jobs::job_load_for_update_in_txn(&lock, &[blocker]).await.unwrap();
    let entry = json!({"level": "INFO", "message": "hello"});
    let release = async {
        // With one worker of the server, an answer to this says that it has seen what was sent before.
        app.get("/api/v1/queues").await.ok::<Value>(200);
        lock.commit().await.unwrap();
    };
    let (answers, ()) = tokio::join!(join_all(jobs.iter().map(|id| app.report(*id, "log", &entry))), release);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [201, 500, 201, 201]);
    for id in jobs {
        let finished: Value = app.report(id, "finish", &json!({"status": "completed"})).await.ok(200);
        assert_eq!(finished["status"], "completed", "also the job whose line was refused goes on");
    }
    app.end().await;
}

/// No answer says accepted before its commit, and what was not answered can be repeated: there is one job for each key.
async fn a_commit_that_fails_loses_nothing(backend: Backend) {
    let app = TestApp::spawn(backend).await;
    let automation = app.automation(json!({})).await;
    app.execute_once(automation, "before").await.ok::<Value>(202);
    let keys: Vec<String> = (0..8).map(|nth| format!("key-{nth}")).collect();
    let execute = || join_all(keys.iter().map(|key| app.execute_once(automation, key)));
    let refused = match &app.proxy {
        Some(proxy) => {
            proxy.cut().await;
            let refused = execute().await;
            proxy.restore();
            refused
        }
        None => {
            let lock = app.database.begin().await.unwrap();
            let refused = execute().await;
            drop(lock);
            refused
        }
    };
    assert!(refused.iter().all(|answer| answer.status == 503), "{refused:?}");
    eventually("the database takes writes again", async || {
        let answers = execute().await;
        answers.iter().all(|answer| answer.status == 202).then_some(())
    })
    .await;
    assert_eq!(app.jobs().await.len(), keys.len() + 1, "one for each key");
    let worker = app.worker("w1").await;
    let claimed = app.claim(worker, 20, Duration::from_secs(10).as_secs_f64()).await;
    assert_eq!(claimed.len(), keys.len() + 1, "and each is there to be run");
    app.end().await;
}

on_both!(a_bad_row_fails_alone, a_commit_that_fails_loses_nothing);
