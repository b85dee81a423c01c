//! A paused worker finishes its jobs; jobs it has not begun wait for it or for others.

use domain::{ids::JobId, job::Status, worker::State};
use e2e::{Delivery, World, on_both};
use serde_json::json;

use crate::support::{UNTIL_GO, begun, heartbeats, lines, shell, submit, worker_named, world_with};

on_both!(
    a_paused_worker_drains_and_nothing_is_lost,
    jobs_that_a_paused_worker_leaves_are_taken_by_another,
    jobs_that_come_while_workers_stop_are_run,
);

/// Waits until these jobs wait at the hub: none is dispatched.
pub(crate) async fn wait_with_the_hub(world: &World, jobs: &[JobId]) {
    for job in jobs {
        let waits = |job: &api_types::Job| job.status == Status::Pending && job.dispatched_at.is_none();
        world.client.job_when(*job, "waits with the hub", waits).await;
    }
}

/// Each of these robots began once.
pub(crate) fn assert_each_once(dir: &std::path::Path, robots: usize) {
    let mut begun: Vec<usize> = lines(&dir.join("begun")).iter().map(|n| n.parse().unwrap()).collect();
    begun.sort_unstable();
    assert_eq!(begun, (0..robots).collect::<Vec<_>>());
}

async fn a_paused_worker_drains_and_nothing_is_lost(delivery: Delivery) {
    let world = world_with(delivery, |settings| settings.dispatch.lookahead = 4).await;
    let (queue, dir) = (world.queue("drain"), tempfile::tempdir().unwrap());
    let automation = shell(&world, &queue, UNTIL_GO, json!({})).await;
    let settings = world.worker_settings(&[&queue], 2);
    let name = settings.name.clone().unwrap();
    let worker = world.worker_with(settings, None);
    let id = worker_named(&world, &name).await.id;
    let mut jobs = submit(&world, &automation, dir.path(), 0..8).await;
    begun(dir.path(), 2).await;
    if delivery == Delivery::Queue {
        // Two run, others are with the broker or fetched already.
        world.client.job_when(jobs[3], "is on its way", |job| job.dispatched_at.is_some()).await;
    }
    let paused = world.client.post(&format!("/api/v1/workers/{id}/pause"), &json!({})).await.expect(200);
    assert_eq!(paused.json::<api_types::Worker>().state, State::Paused);
    jobs.extend(submit(&world, &automation, dir.path(), 8..12).await);
    std::fs::write(dir.path().join("go"), "").unwrap();
    for job in &jobs[..2] {
        assert_eq!(world.client.ended(*job).await.status, Status::Completed);
    }
    wait_with_the_hub(&world, &jobs[2..]).await;
    heartbeats(&world, &name, 3).await;
    assert_eq!(lines(&dir.path().join("begun")).len(), 2, "it takes no new jobs");
    wait_with_the_hub(&world, &jobs[2..]).await;
    let _resumed = world.client.post(&format!("/api/v1/workers/{id}/resume"), &json!({})).await.expect(200);
    for job in &jobs {
        assert_eq!(world.client.ended(*job).await.status, Status::Completed);
    }
    assert_each_once(dir.path(), 12);
    worker.stop().await;
    world.end().await;
}

async fn jobs_that_a_paused_worker_leaves_are_taken_by_another(delivery: Delivery) {
    let world = World::start(delivery).await;
    let (queue, dir) = (world.queue("leave"), tempfile::tempdir().unwrap());
    let automation = shell(&world, &queue, UNTIL_GO, json!({})).await;
    let settings = world.worker_settings(&[&queue], 1);
    let name = settings.name.clone().unwrap();
    let paused = world.worker_with(settings, None);
    let id = worker_named(&world, &name).await.id;
    let jobs = submit(&world, &automation, dir.path(), 0..4).await;
    begun(dir.path(), 1).await;
    let _paused = world.client.post(&format!("/api/v1/workers/{id}/pause"), &json!({})).await.expect(200);
    let settings = world.worker_settings(&[&queue], 1);
    let other = settings.name.clone().unwrap();
    let worker = world.worker_with(settings, None);
    begun(dir.path(), 2).await;
    let other = worker_named(&world, &other).await.id;
    // Not always the second: that may be on its way back from the worker that is paused.
    let next: usize = lines(&dir.path().join("begun"))[1].parse().unwrap();
    assert_eq!(world.client.job(jobs[next]).await.worker_id, Some(other));
    std::fs::write(dir.path().join("go"), "").unwrap();
    for job in &jobs {
        assert_eq!(world.client.ended(*job).await.status, Status::Completed);
    }
    let mut ran = Vec::new();
    for job in &jobs {
        ran.extend(world.client.job(*job).await.worker_id);
    }
    assert_eq!(ran, [id, other, other, other]);
    assert_each_once(dir.path(), 4);
    paused.stop().await;
    worker.stop().await;
    world.end().await;
}

/// Jobs dispatched in the instant in which a worker stops are run, by it or by the next one.
async fn jobs_that_come_while_workers_stop_are_run(delivery: Delivery) {
    let world = World::start(delivery).await;
    let (queue, dir) = (world.queue("stops"), tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join("go"), "").unwrap();
    let automation = shell(&world, &queue, UNTIL_GO, json!({})).await;
    let mut jobs = Vec::new();
    for round in 0..8 {
        let settings = world.worker_settings(&[&queue], 2);
        let name = settings.name.clone().unwrap();
        let worker = world.worker_with(settings, None);
        heartbeats(&world, &name, 1).await;
        let late = async {
            tokio::time::sleep(std::time::Duration::from_millis(round)).await;
            worker.stop().await;
        };
        let n = 3 * usize::try_from(round).unwrap();
        let ((), new) = tokio::join!(late, submit(&world, &automation, dir.path(), n..n + 3));
        jobs.extend(new);
    }
    let after = submit(&world, &automation, dir.path(), 24..25).await;
    let last = world.worker(&[&queue], 4);
    for job in jobs.iter().chain(&after) {
        let ended = world.client.ended(*job).await;
        assert_eq!(ended.status, Status::Completed, "{:?}", ended.error_message);
    }
    assert_each_once(dir.path(), 25);
    last.stop().await;
    world.end().await;
}
