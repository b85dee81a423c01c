//! How many run at once, and who goes first.

use std::{path::Path, sync::Arc, time::Duration};

use api_types::Automation;
use domain::{ids::JobId, job::Status};
use e2e::{Delivery, GatedRunner, Options, Robots, Shape, World, on_both};
use reqwest::Method;
use serde_json::json;
use test_support::eventually;

on_both!(
    never_more_at_once_than_allowed,
    an_archived_automation_keeps_its_limit,
    a_higher_priority_starts_next,
    an_end_gives_its_place_to_the_next_job_without_a_tick,
    jobs_of_one_queue_start_in_the_order_of_their_age
);

/// Most robots that ran at once, by the `+` and `-` lines that they wrote.
fn most_at_once(file: &Path) -> (usize, usize) {
    let (mut now, mut most, mut ran) = (0_usize, 0, 0);
    for line in std::fs::read_to_string(file).unwrap().lines() {
        if line == "+" {
            now += 1;
            ran += 1;
            most = most.max(now);
        } else {
            now -= 1;
        }
    }
    (most, ran)
}

/// An automation whose robots write down that they begin and end. None ends before as many have begun as may run at once.
async fn limited(world: &World, queue: &str, max_concurrency: u32) -> Automation {
    let script = format!(
        "echo + >> \"$PARAM_FILE\"\nuntil [ \"$(grep -c + \"$PARAM_FILE\")\" -ge {max_concurrency} ]; do sleep 0.02; done\nsleep 0.15\n\
         echo - >> \"$PARAM_FILE\"\n"
    );
    let script = Robots::new(world.folder.path()).shell("robot.sh", &script);
    let body = json!({"name": "limited", "queue_name": queue, "entrypoint_type": "SHELL", "script_path": script,
        "max_concurrency": max_concurrency});
    world.client.automation(&body).await
}

async fn never_more_at_once_than_allowed(delivery: Delivery) {
    let world = World::start(delivery).await;
    let queue = world.queue("limited");
    let automation = limited(&world, &queue, 3).await;
    let workers = [world.worker(&[&queue], 10), world.worker(&[&queue], 10)];
    let file = world.folder.path().join("running");
    let parameters = json!({"file": file});
    let executions = (0..20).map(|_| world.client.execute(&automation, &parameters));
    let jobs = futures_util::future::join_all(executions).await;
    for job in &jobs {
        assert_eq!(world.client.ended(job.id).await.status, Status::Completed);
    }
    assert_eq!(most_at_once(&file), (3, 20));
    for worker in workers {
        worker.stop().await;
    }
    world.end().await;
}

async fn an_archived_automation_keeps_its_limit(delivery: Delivery) {
    let world = World::start(delivery).await;
    let queue = world.queue("archived");
    let automation = limited(&world, &queue, 1).await;
    let file = world.folder.path().join("running");
    let parameters = json!({"file": file});
    let jobs = futures_util::future::join_all((0..6).map(|_| world.client.execute(&automation, &parameters))).await;
    let place = format!("/api/v1/automations/{}", automation.id);
    let _archived = world.client.send(world.client.request(Method::DELETE, &place)).await.expect(200);
    // The new process has not seen the automation.
    let world = world.restart().await;
    let worker = world.worker(&[&queue], 6);
    for job in &jobs {
        assert_eq!(world.client.ended(job.id).await.status, Status::Completed);
    }
    assert_eq!(most_at_once(&file), (1, 6));
    worker.stop().await;
    world.end().await;
}

async fn submit(world: &World, automation: &Automation, priority: i32) -> JobId {
    let path = format!("/api/v1/automations/{}/execute?priority={priority}", automation.id);
    world.client.post(&path, &json!({})).await.expect(202).json::<api_types::Job>().id
}

async fn a_higher_priority_starts_next(delivery: Delivery) {
    let only = Some(Shape::Together.only("until its next tick an orchestrator knows only what itself accepted, and publishes that"));
    // The first job starts when the orchestrator knows the worker's one slot; before, it would send some of the low ones ahead.
    let settings = |settings: &mut runtime::Settings| settings.dispatch.window = 0;
    let world = World::start_with(delivery, Options { settings: Some(Box::new(settings)), only, ..Options::default() }).await;
    let queue = world.queue("priority");
    let automation = world.client.automation(&json!({"name": "p", "queue_name": queue, "script_path": "x"})).await;
    let runner = GatedRunner::default();
    let worker = world.worker_with(world.worker_settings(&[&queue], 1), Some(Arc::new(runner.clone())));
    let first = submit(&world, &automation, 1).await;
    eventually("the first job starts", async || (runner.started() == [first]).then_some(())).await;
    let low = futures_util::future::join_all((0..1000).map(|_| submit(&world, &automation, 1))).await;
    let high = submit(&world, &automation, 9).await;
    runner.open(1);
    let started = eventually("the second job starts", async || Some(runner.started()).filter(|started| started.len() > 1)).await;
    assert_eq!(started[1], high, "one of {} low ones started before", low.len());
    runner.open(2000);
    worker.stop().await;
    world.end().await;
}

/// The tick is one hour: whatever starts after the first job starts because another ended.
async fn an_end_gives_its_place_to_the_next_job_without_a_tick(delivery: Delivery) {
    let only = Some(Shape::Together.only("an orchestrator sees with its tick which slot another's job freed, and here there is none"));
    let settings = |settings: &mut runtime::Settings| settings.dispatch.tick = Duration::from_secs(3600);
    let world = World::start_with(delivery, Options { settings: Some(Box::new(settings)), only, ..Options::default() }).await;
    let queue = world.queue("next");
    let body = json!({"name": "n", "queue_name": queue, "script_path": "x", "max_concurrency": 1});
    let automation = world.client.automation(&body).await;
    let runner = GatedRunner::default();
    let worker = world.worker_with(world.worker_settings(&[&queue], 4), Some(Arc::new(runner.clone())));
    let mut submitted = Vec::new();
    for _ in 0..5 {
        submitted.push(submit(&world, &automation, 5).await);
    }
    for ends in 0..submitted.len() {
        let so_far = &submitted[..=ends];
        eventually(&format!("{} jobs started, one after the other", ends + 1), async || (runner.started() == so_far).then_some(())).await;
        runner.open(1);
    }
    for job in submitted {
        assert_eq!(world.client.ended(job).await.status, Status::Completed);
    }
    worker.stop().await;
    world.end().await;
}

async fn jobs_of_one_queue_start_in_the_order_of_their_age(delivery: Delivery) {
    let only = Some(Shape::Together.only("until its next tick an orchestrator knows only what itself accepted, and publishes that"));
    let world = World::start_with(delivery, Options { only, ..Options::default() }).await;
    let queue = world.queue("fifo");
    let automation = world.client.automation(&json!({"name": "f", "queue_name": queue, "script_path": "x"})).await;
    let mut submitted = Vec::new();
    for _ in 0..30 {
        submitted.push(submit(&world, &automation, 5).await);
    }
    let runner = GatedRunner::default();
    runner.open(30);
    let worker = world.worker_with(world.worker_settings(&[&queue], 1), Some(Arc::new(runner.clone())));
    eventually("all jobs start", async || (runner.started().len() == 30).then_some(())).await;
    assert_eq!(runner.started(), submitted);
    worker.stop().await;
    world.end().await;
}
