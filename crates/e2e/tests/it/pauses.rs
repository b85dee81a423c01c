//! Pauses of queues and automations hold back what is with the broker already, and what a worker has fetched.

use std::path::Path;

use api_types::Automation;
use broker::Broker;
use domain::{ids::JobId, job::Status};
use e2e::{Delivery, World, on_both};
use secrecy::ExposeSecret;
use serde_json::json;
use test_support::eventually;

use crate::{
    drain::{assert_each_once, wait_with_the_hub},
    support::{UNTIL_GO, begun, lines, shell, submit, world_with},
};

on_both!(a_pause_stops_what_runs_on_at_once_and_nothing_runs_twice);

/// The pauses that there are.
fn pauses(automation: &Automation) -> [String; 2] {
    [format!("/api/v1/queues/{}", automation.queue_name), format!("/api/v1/automations/{}", automation.id)]
}

async fn post(world: &World, path: &str, what: &str) {
    let _done = world.client.post(&format!("{path}/{what}"), &json!({})).await.expect(200);
}

/// Pauses what this job waits for, and waits until every orchestrator knows.
async fn pause(world: &World, path: &str, waiting: JobId) {
    post(world, path, "pause").await;
    world.pause_is_known(waiting).await;
}

async fn all_complete(world: &World, jobs: &[JobId], dir: &Path) {
    for job in jobs {
        assert_eq!(world.client.ended(*job).await.status, Status::Completed);
    }
    assert_each_once(dir, jobs.len());
}

async fn a_pause_stops_what_runs_on_at_once_and_nothing_runs_twice(delivery: Delivery) {
    let world = world_with(delivery, |settings| settings.dispatch.lookahead = 3).await;
    for nth in 0..2 {
        let (queue, dir) = (world.queue(&format!("pause-{nth}")), tempfile::tempdir().unwrap());
        let automation = shell(&world, &queue, UNTIL_GO, json!({})).await;
        let path = &pauses(&automation)[nth];
        let worker = world.worker(&[&queue], 1);
        let jobs = submit(&world, &automation, dir.path(), 0..6).await;
        begun(dir.path(), 1).await;
        if delivery == Delivery::Queue {
            world.client.job_when(jobs[1], "is on its way", |job| job.dispatched_at.is_some()).await;
        }
        pause(&world, path, jobs[5]).await;
        std::fs::write(dir.path().join("go"), "").unwrap();
        assert_eq!(world.client.ended(jobs[0]).await.status, Status::Completed, "what runs is left alone");
        wait_with_the_hub(&world, &jobs[1..]).await;
        assert_eq!(lines(&dir.path().join("begun")), ["0"], "{path}");
        post(&world, path, "resume").await;
        all_complete(&world, &jobs, dir.path()).await;
        worker.stop().await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_wait_for_their_worker_are_held_back() {
    let world = World::start(Delivery::Queue).await;
    for nth in 0..2 {
        let (queue, dir) = (world.queue(&format!("held-{nth}")), tempfile::tempdir().unwrap());
        let automation = shell(&world, &queue, UNTIL_GO, json!({})).await;
        std::fs::write(dir.path().join("go"), "").unwrap();
        let path = &pauses(&automation)[nth];
        let jobs = submit(&world, &automation, dir.path(), 0..8).await;
        for job in &jobs {
            world.client.job_when(*job, "is with the broker", |job| job.dispatched_at.is_some()).await;
        }
        pause(&world, path, jobs[7]).await;
        let worker = world.worker(&[&queue], 3);
        wait_with_the_hub(&world, &jobs).await;
        assert_eq!(lines(&dir.path().join("begun")).len(), 0, "{path}");
        post(&world, path, "resume").await;
        all_complete(&world, &jobs, dir.path()).await;
        let broker = Broker::connect(world.settings.broker_url().unwrap().expose_secret(), "test").unwrap();
        let empty = async || broker.queue_depth(&queue).await.ok().filter(|depth| depth.messages == 0);
        eventually("no message is left", empty).await;
        broker.close().await;
        worker.stop().await;
    }
    world.end().await;
}

/// One automation of a queue is paused: its messages make room for those of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_automation_does_not_stop_its_queue() {
    let world = World::start(Delivery::Queue).await;
    let (queue, dir, other_dir) = (world.queue("shared"), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let paused = shell(&world, &queue, UNTIL_GO, json!({"priority": 9})).await;
    let other = shell(&world, &queue, UNTIL_GO, json!({})).await;
    for dir in [&dir, &other_dir] {
        std::fs::write(dir.path().join("go"), "").unwrap();
    }
    // More than the broker holds at once.
    let count = world.settings.dispatch.window + 5;
    let held = submit(&world, &paused, dir.path(), 0..count).await;
    world.client.job_when(held[0], "is with the broker", |job| job.dispatched_at.is_some()).await;
    pause(&world, &pauses(&paused)[1], held[count - 1]).await;
    let others = submit(&world, &other, other_dir.path(), 0..5).await;
    let worker = world.worker(&[&queue], 2);
    all_complete(&world, &others, other_dir.path()).await;
    wait_with_the_hub(&world, &held).await;
    assert_eq!(lines(&dir.path().join("begun")).len(), 0);
    post(&world, &pauses(&paused)[1], "resume").await;
    all_complete(&world, &held, dir.path()).await;
    worker.stop().await;
    world.end().await;
}
