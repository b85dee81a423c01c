//! The database is unavailable or busy: the hub reports that, and recovers.

use std::time::Duration;

use api_types::Job;
use domain::job::Status;
use e2e::{Answer, Delivery, Shape, World};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;
use store::{Database, Transaction};
use test_support::{Proxy, eventually};

use crate::support::{automation, running, with, with_only};

fn assert_retry_after(answer: &Answer, codes: &[&str]) {
    let problem = answer.problem(503);
    assert!(codes.contains(&problem.code.as_str()), "{problem:?}");
    assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    for secret in ["sqlx", "pool", "127.0.0.1", "code:"] {
        assert!(!problem.detail.contains(secret), "internal text stays inside: {}", problem.detail);
    }
}

/// Holds the write lock of an embedded world's database, as another program would.
async fn lock(world: &World) -> (Database, Transaction) {
    let other = Database::connect(&store::Settings::new(world.settings.database_url().expose_secret())).await.unwrap();
    let held = eventually("the lock is free", async || other.begin().await.ok()).await;
    (other, held)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_file_is_a_503_and_reads_continue() {
    let world = with_only(Shape::Together.only("SQLite is one process's"), Delivery::Pull, |_| {}).await;
    let automation = automation(&world, "locked").await;
    let job = running(&world).await;
    let (other, held) = lock(&world).await;
    let execute = format!("/api/v1/automations/{}/execute", automation.id);
    assert_retry_after(&world.client.post(&execute, &json!({})).await, &["unavailable"]);
    assert_eq!(world.client.job(job.id).await.status, Status::Running, "reading needs no lock");
    for path in ["/api/v1/health", "/health/ready"] {
        let answer = world.client.send(world.client.bare(Method::GET, path)).await.expect(503);
        assert!(answer.text.contains("not_writable"), "{path}: {}", answer.text);
    }
    drop(held);
    other.close().await.unwrap();
    let accepted = eventually("jobs are accepted again", async || {
        let answer = world.client.post(&execute, &json!({})).await;
        (answer.status == 202).then(|| answer.json::<Job>())
    })
    .await;
    eventually("the hub is well again", async || {
        let answers = ["/api/v1/health", "/health/ready"].map(|path| world.client.send(world.client.bare(Method::GET, path)));
        futures_util::future::join_all(answers).await.iter().all(|answer| answer.status == 200).then_some(())
    })
    .await;
    let all: Vec<Job> = world.client.get(&format!("/api/v1/jobs?automation_id={}", automation.id)).await.expect(200).json();
    assert_eq!(all.iter().map(|job| job.id).collect::<Vec<_>>(), [accepted.id], "what was refused left nothing");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_can_wait_for_the_database_is_refused_at_once() {
    let world = with_only(Shape::Together.only("SQLite is one process's"), Delivery::Pull, |settings| {
        settings.dispatch.queue_limit = 3;
        settings.dispatch.tick = Duration::from_secs(3600);
    })
    .await;
    let automation = automation(&world, "full").await;
    let execute = format!("/api/v1/automations/{}/execute", automation.id);
    let (other, held) = lock(&world).await;
    let (nothing, refused) = (json!({}), tokio::sync::Notify::new());
    let send = async |_| {
        let answer = world.client.post(&execute, &nothing).await;
        if answer.status == 503 {
            refused.notify_one();
        }
        answer
    };
    let all = futures_util::future::join_all((0..20).map(send));
    let release = async {
        // The refusals come while the lock is held; what waits is served after it.
        refused.notified().await;
        drop(held);
    };
    let (answers, ()) = tokio::join!(all, release);
    other.close().await.unwrap();
    let (accepted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 202);
    assert!(!refused.is_empty() && !accepted.is_empty(), "{} accepted", accepted.len());
    refused.iter().for_each(|answer| assert_retry_after(answer, &["overloaded"]));
    let _more = world.client.post(&execute, &json!({})).await.expect(202);
    let jobs: Vec<Job> = world.client.get("/api/v1/jobs?limit=1000").await.expect(200).json();
    let ids: std::collections::HashSet<_> = jobs.iter().map(|job| job.id).collect();
    assert!(accepted.iter().all(|answer| ids.contains(&answer.json::<Job>().id)), "what was accepted is there");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_database_is_a_503_until_it_is_back() {
    let url = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL is not set: run the tests with `make test`");
    let server = url.split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let proxy = Proxy::start(server.clone()).await.unwrap();
    let through = proxy.address().to_string();
    let world = with(Delivery::Queue, move |settings| {
        settings.database.url = settings.database.url.expose_secret().replace(&server, &through).into();
        settings.database.acquire_timeout = Duration::from_secs(1);
    })
    .await;
    let automation = automation(&world, "away").await;
    let job = running(&world).await;
    let execute = format!("/api/v1/automations/{}/execute", automation.id);
    proxy.cut().await;
    let requests = [
        (Method::POST, execute.clone()),
        (Method::POST, execute.clone()),
        (Method::GET, "/api/v1/jobs".into()),
        (Method::GET, format!("/api/v1/jobs/{}", job.id)),
        (Method::GET, format!("/api/v1/jobs/{}/logs/stream", job.id)),
        (Method::POST, format!("/api/v1/worker/jobs/{}/finish", job.id)),
    ];
    for (method, path) in requests {
        let request = match path.strip_prefix("/api/v1/worker") {
            Some(path) => world.client.worker(method.clone(), path),
            None => world.client.request(method.clone(), &path),
        };
        let request = request.timeout(Duration::from_secs(20));
        let answer = world.client.send(if method == Method::POST { request.json(&json!({"status": "completed"})) } else { request }).await;
        assert_retry_after(&answer, &["unavailable"]);
    }
    for path in ["/api/v1/health", "/health/ready"] {
        let answer = world.client.send(world.client.bare(Method::GET, path)).await.expect(503);
        assert!(answer.text.contains("unreachable"), "{path}: {}", answer.text);
    }
    let _live = world.client.send(world.client.bare(Method::GET, "/health/live")).await.expect(200);
    proxy.restore();
    eventually("jobs are accepted again", async || (world.client.post(&execute, &json!({})).await.status == 202).then_some(())).await;
    let _ended = crate::support::report(&world, job.id, "finish", &json!({"status": "completed"})).await.expect(200);
    assert_eq!(world.client.job(job.id).await.status, Status::Completed);
    world.end().await;
}
