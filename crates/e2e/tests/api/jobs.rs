//! Listing jobs.

use api_types::Job;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::ids::JobId;
use e2e::{Delivery, World, on_both};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{automation, calm, fields, report, running, start};

on_both!(filters_choose_jobs, pages_follow_their_links, what_is_no_filter_is_named, a_list_leaves_results_out_and_ends_by_bytes);

async fn ids(world: &World, query: &str) -> Vec<JobId> {
    let jobs: Vec<Job> = world.client.get(&format!("/api/v1/jobs?{query}")).await.expect(200).json();
    jobs.into_iter().map(|job| job.id).collect()
}

fn query_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// So that the next job has another time of acceptance, in milliseconds too.
async fn next_moment() {
    let now = Utc::now();
    test_support::eventually("the clock advances", async || (Utc::now() > now + TimeDelta::milliseconds(5)).then_some(())).await;
}

async fn filters_choose_jobs(delivery: Delivery) {
    let world = calm(delivery).await;
    let (one, two) = (automation(&world, "one").await, automation(&world, "two").await);
    let waits = world.client.execute(&one, &json!({})).await;
    next_moment().await;
    let runs = world.client.execute(&one, &json!({})).await;
    next_moment().await;
    let ends = world.client.execute(&two, &json!({})).await;
    next_moment().await;
    let fails = world.client.execute(&two, &json!({})).await;
    for job in [&runs, &ends, &fails] {
        start(&world, job.id).await;
    }
    let _ended = report(&world, ends.id, "finish", &json!({"status": "completed"})).await.expect(200);
    let _failed = report(&world, fails.id, "finish", &json!({"status": "failed"})).await.expect(200);
    let table = [
        (String::new(), vec![&fails, &ends, &runs, &waits]),
        ("status=pending".into(), vec![&waits]),
        ("status=completed,failed".into(), vec![&fails, &ends]),
        ("status=running,%20pending".into(), vec![&runs, &waits]),
        ("status=canceled".into(), vec![]),
        (format!("automation_id={}", one.id), vec![&runs, &waits]),
        (format!("automation_id={}&status=running", one.id), vec![&runs]),
        ("automation_id=999999".into(), vec![]),
        ("trigger=API".into(), vec![&fails, &ends, &runs, &waits]),
        ("trigger_type=API&limit=1".into(), vec![&fails]),
        ("trigger=SCHEDULED".into(), vec![]),
        (format!("created_from={}", query_time(before(&ends))), vec![&fails, &ends]),
        (format!("created_to={}", query_time(before(&ends))), vec![&runs, &waits]),
        (format!("created_from={}&created_to={}", query_time(before(&runs)), query_time(before(&fails))), vec![&ends, &runs]),
        (format!("created_from={}", query_time(fails.created_at + TimeDelta::hours(1))), vec![]),
        ("created_from=0001-01-01T00:00:00Z".into(), vec![&fails, &ends, &runs, &waits]),
        ("created_to=9999-12-31T23:59:59Z&limit=1".into(), vec![&fails]),
    ];
    for (query, expected) in table {
        assert_eq!(ids(&world, &query).await, expected.into_iter().map(|job| job.id).collect::<Vec<_>>(), "{query}");
    }
    world.end().await;
}

fn before(job: &Job) -> DateTime<Utc> {
    job.created_at - TimeDelta::milliseconds(3)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_of_time_has_the_job_at_its_edge() {
    let world = calm(Delivery::Pull).await;
    let automation = automation(&world, "edge").await;
    for _ in 0..300 {
        let job = world.client.execute(&automation, &json!({})).await;
        let at = query_time(job.created_at);
        let after = query_time(job.created_at + TimeDelta::microseconds(1));
        assert_eq!(ids(&world, &format!("created_from={at}&created_to={after}")).await, [job.id]);
    }
    world.end().await;
}

async fn pages_follow_their_links(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "pages").await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(world.client.execute(&automation, &json!({})).await.id);
    }
    made.reverse();
    let (mut path, mut found, mut pages) = ("/api/v1/jobs?status=pending,failed&limit=3".to_owned(), Vec::new(), 0);
    loop {
        let answer = world.client.get(&path).await.expect(200);
        found.extend(answer.json::<Vec<Job>>().into_iter().map(|job| job.id));
        pages += 1;
        let Some(link) = answer.headers.get("link") else { break };
        let link = link.to_str().unwrap();
        path = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap().to_owned();
        assert!(path.contains("status=pending,failed") && path.matches("after=").count() == 1, "the filters stay: {path}");
        // What comes in meanwhile does not shift the pages.
        world.client.execute(&automation, &json!({})).await;
    }
    assert_eq!((found, pages), (made, 3));
    world.end().await;
}

async fn what_is_no_filter_is_named(delivery: Delivery) {
    let world = calm(delivery).await;
    let table = [
        ("status=done", "status"),
        ("status=pending,done", "status"),
        ("status=PENDING", "status"),
        ("trigger=manual", "trigger"),
        ("automation_id=x", "automation_id"),
        ("automation_id=99999999999", "automation_id"),
        ("created_from=yesterday", "created_from"),
        ("created_to=2025-13-01T00:00:00Z", "created_to"),
        ("created_from=2026-11-26T08:30:00+02:00", "created_from"),
        ("created_from=-262143-01-01T00:00:00Z", "created_from"),
        ("created_from=-5000-01-01T00:00:00Z", "created_from"),
        ("created_to=%2B10000-01-01T00:00:00Z", "created_to"),
        ("queue_name=a%00", "queue_name"),
        ("after=x", "after"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("state=pending", "state"),
        ("limit=1&limit=2", "limit"),
        ("include=parameters", "include"),
        ("include=result,x", "include"),
    ];
    for (query, field) in table {
        let problem = world.client.get(&format!("/api/v1/jobs?{query}")).await.problem(400);
        assert_eq!((problem.code.as_str(), fields(&problem)), ("bad_query", vec![field]), "{query}: {problem:?}");
    }
    world.end().await;
}

async fn a_list_leaves_results_out_and_ends_by_bytes(delivery: Delivery) {
    let world = calm(delivery).await;
    let (megabyte, mut made) = (1024 * 1024, Vec::new());
    for nth in 0..5 {
        let job = running(&world).await;
        // Not what compresses to nothing.
        let text: String = (0..megabyte * 3 / 2 / 36).map(|_| Uuid::new_v4().to_string()).collect();
        let result = json!({"nth": nth, "text": text});
        let _finished = report(&world, job.id, "finish", &json!({"status": "completed", "result": result})).await.expect(200);
        made.push((job.id, result));
    }
    made.reverse();
    let answer = world.client.get("/api/v1/jobs?limit=1000").await.expect(200);
    assert!(answer.text.len() < megabyte && !answer.headers.contains_key("link"));
    let shown: Vec<(JobId, Option<Value>)> = answer.json::<Vec<Job>>().into_iter().map(|job| (job.id, job.result)).collect();
    assert_eq!(shown, made.iter().map(|(id, _)| (*id, None)).collect::<Vec<_>>());

    let (mut path, mut found, mut pages) = ("/api/v1/jobs?include=result&limit=1000".to_owned(), Vec::new(), Vec::new());
    loop {
        let answer = world.client.get(&path).await.expect(200);
        assert_eq!(answer.headers["content-type"], "application/json");
        assert!(answer.text.len() < 5 * megabyte, "{}", answer.text.len());
        let jobs: Vec<Job> = answer.json();
        pages.push(jobs.len());
        found.extend(jobs.into_iter().map(|job| (job.id, job.result.unwrap_or_default())));
        let Some(link) = answer.headers.get("link") else { break };
        path = link.to_str().unwrap().trim_start_matches('<').split('>').next().unwrap().to_owned();
        assert!(path.contains("include=result"), "{path}");
    }
    assert!(found == made && pages == [2, 2, 1], "{pages:?}");
    world.end().await;
}
