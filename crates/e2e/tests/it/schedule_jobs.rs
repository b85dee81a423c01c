//! What a schedule says of its jobs, as they are started and retried.

use std::sync::Arc;

use api_types::{Automation, Fire, Job, Schedule};
use chrono::{TimeDelta, Utc};
use domain::{
    ids::JobId,
    job::{Status, Trigger},
    schedule::FireState,
};
use e2e::{Delivery, GatedRunner, World, on_both};
use serde_json::{Value, json};
use test_support::eventually;

on_both!(
    no_more_of_its_jobs_run_at_once_than_it_allows,
    its_overlap_rule_counts_instead_of_the_automations,
    a_failed_job_waits_as_long_as_it_says,
);

async fn automation(world: &World, more: Value) -> Automation {
    let mut body = json!({"name": "a", "queue_name": world.queue("schedule"), "script_path": "x"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.client.automation(&body).await
}

async fn schedule(world: &World, automation: &Automation, more: Value) -> Schedule {
    let mut body = json!({"automation_id": automation.id});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.client.post("/api/v1/schedules", &body).await.expect(201).json()
}

/// Its jobs, the oldest first.
async fn jobs_of(world: &World, schedule: &Schedule) -> Vec<Job> {
    let mut jobs: Vec<Job> = world.client.get("/api/v1/jobs?limit=1000").await.expect(200).json();
    jobs.retain(|job| job.schedule_id == Some(schedule.id));
    jobs.reverse();
    jobs
}

async fn fires(world: &World, schedule: &Schedule) -> Vec<Fire> {
    let shown: Schedule = world.client.get(&format!("/api/v1/schedules/{}", schedule.id)).await.expect(200).json();
    let mut fires = shown.last_fires;
    fires.reverse();
    fires
}

async fn no_more_of_its_jobs_run_at_once_than_it_allows(delivery: Delivery) {
    let world = World::start(delivery).await;
    let automation = automation(&world, json!({})).await;
    let queue = automation.queue_name.clone();
    let runner = GatedRunner::default();
    let workers = [4, 4].map(|slots| world.worker_with(world.worker_settings(&[&queue], slots), Some(Arc::new(runner.clone()))));
    let limited = schedule(&world, &automation, json!({"cron_expression": "* * * * * *", "max_concurrency": 2})).await;
    let jobs = eventually("it has many jobs", async || Some(jobs_of(&world, &limited).await).filter(|jobs| jobs.len() >= 5)).await;
    let _paused = world.client.post(&format!("/api/v1/schedules/{}/pause", limited.id), &json!({})).await.expect(200);
    let waits = world.client.job_when(jobs[4].id, "it waits for its schedule", |job| {
        job.waiting_reason.as_ref().is_some_and(|reason| reason.code.as_str() == "schedule_concurrency_limit")
    });
    let facts = waits.await.waiting_reason.unwrap().facts;
    assert_eq!(facts["limit"], 2);
    assert!(facts["held_by"].as_array().unwrap().iter().all(|id| jobs[..2].iter().any(|job| *id == json!(job.id))), "{facts:?}");
    let other = world.client.execute(&automation, &json!({})).await.id;
    let started =
        eventually("a job of nobody's schedule passes them", async || Some(runner.started()).filter(|started| started.contains(&other)))
            .await;
    let of_schedule: Vec<JobId> = started.into_iter().filter(|id| *id != other).collect();
    assert_eq!(of_schedule, jobs[..2].iter().map(|job| job.id).collect::<Vec<_>>(), "the others wait");
    runner.open(1000);
    for job in jobs_of(&world, &limited).await {
        assert_eq!(world.client.ended(job.id).await.status, Status::Completed);
    }
    for worker in workers {
        worker.stop().await;
    }
    world.end().await;
}

async fn its_overlap_rule_counts_instead_of_the_automations(delivery: Delivery) {
    let world = World::start(delivery).await;
    let queues = automation(&world, json!({})).await;
    let skips = automation(&world, json!({"name": "b", "overlap": "skip"})).await;
    let every_second = |rule: &str| json!({"cron_expression": "* * * * * *", "overlap": rule});
    let [skipping, queuing, replacing] = [
        schedule(&world, &queues, every_second("skip")).await,
        schedule(&world, &skips, every_second("queue")).await,
        // Of its own key: it leaves the others of its automation alone.
        schedule(&world, &queues, json!({"cron_expression": "* * * * * *", "name": "r", "overlap": "replace", "concurrency_key": "r"}))
            .await,
    ];
    let found = eventually("the skipping one is skipped", async || {
        Some(fires(&world, &skipping).await).filter(|fires| fires.iter().any(|fire| fire.state == FireState::Refused))
    })
    .await;
    for fire in found.iter().filter(|fire| fire.state == FireState::Refused) {
        assert_eq!(fire.reason.as_deref(), Some("overlap_skipped"), "{fire:?}");
        assert_eq!(world.client.job(fire.job_id.unwrap()).await.automation_id, queues.id);
    }
    let waiting = |jobs: &[Job]| jobs.iter().filter(|job| job.status == Status::Pending).count();
    eventually("jobs of the queuing one wait together", async || (waiting(&jobs_of(&world, &queuing).await) >= 3).then_some(())).await;
    let replaced = eventually("jobs of the replacing one are replaced", async || {
        Some(jobs_of(&world, &replacing).await).filter(|jobs| jobs.len() >= 3)
    })
    .await;
    let (last, earlier) = replaced.split_last().unwrap();
    assert!(earlier.iter().all(|job| job.status == Status::Canceled), "{replaced:?}");
    assert_ne!(last.status, Status::Completed);
    assert!(fires(&world, &queuing).await.iter().all(|fire| fire.state == FireState::Created));
    world.end().await;
}

async fn a_failed_job_waits_as_long_as_it_says(delivery: Delivery) {
    let world = World::start(delivery).await;
    let automation = automation(&world, json!({"retry_policy": {"max_attempts": 1, "base_s": 1.0, "jitter": 0.0, "max_s": 5.0}})).await;
    let at = Utc::now() + TimeDelta::seconds(1);
    let patient = schedule(&world, &automation, json!({"run_once_at": at, "max_attempts": 2, "retry_backoff_s": 3600})).await;
    let first = eventually("it fires", async || jobs_of(&world, &patient).await.pop()).await;
    for (action, body) in [("start", json!({})), ("finish", json!({"status": "failed"}))] {
        let _reported = world.client.report(&format!("/jobs/{}/{action}", first.id), None, &body).await.expect(200);
    }
    let failed = world.client.ended(first.id).await;
    let retry = jobs_of(&world, &patient).await.pop().unwrap();
    assert_eq!((retry.retry_of, retry.trigger, retry.attempt), (Some(first.id), Trigger::Retry, 2));
    assert_eq!(retry.not_before, Some(failed.completed_at.unwrap() + TimeDelta::hours(1)));
    world.end().await;
}
