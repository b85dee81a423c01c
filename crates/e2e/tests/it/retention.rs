//! Retention removes old records by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{SubsecRound, TimeDelta, Utc};
use domain::job::Status;
use e2e::{Delivery, Options, World, on_both};
use regente::HubOptions;
use serde_json::json;
use test_support::eventually;

use crate::support::{UNTIL_GO, begun, shell, submit};

on_both!(old_jobs_are_removed_and_unended_ones_stay);

const DAY: i64 = 24;

/// Only the hub's clock is advanced: its reconcilers do the rest.
async fn old_jobs_are_removed_and_unended_ones_stay(delivery: Delivery) {
    let ahead = Arc::new(AtomicI64::new(0));
    let hours = ahead.clone();
    let clock: runtime::Clock = Arc::new(move || (Utc::now() + TimeDelta::hours(hours.load(Ordering::Relaxed))).trunc_subsecs(6));
    let settings = |settings: &mut runtime::Settings| {
        settings.lease.agent = Duration::from_secs(1000 * 86_400);
        settings.retention.jobs = Duration::from_secs(90 * 86_400);
        settings.retention.logs = Duration::from_secs(30 * 86_400);
    };
    let hub = HubOptions { clock, ..HubOptions::default() };
    let world = World::start_with(delivery, Options { settings: Some(Box::new(settings)), hub, ..Options::default() }).await;
    let (queue, dir) = (world.queue("old"), tempfile::tempdir().unwrap());
    let quick = shell(&world, &queue, "echo said\n", json!({})).await;
    let stays = shell(&world, &queue, UNTIL_GO, json!({})).await;
    let waits = shell(&world, &world.queue("nobody"), UNTIL_GO, json!({})).await;
    let worker = world.worker(&[&queue], 2);
    let old = world.client.execute(&quick, &json!({})).await.id;
    assert_eq!(world.client.ended(old).await.status, Status::Completed);
    assert_eq!(world.client.logs(old).await.len(), 1);
    let running = submit(&world, &stays, dir.path(), 0..1).await.remove(0);
    begun(dir.path(), 1).await;
    let waiting = submit(&world, &waits, dir.path(), 1..2).await.remove(0);

    ahead.store(31 * DAY, Ordering::Relaxed);
    eventually("its lines go first", async || world.client.logs(old).await.is_empty().then_some(())).await;
    assert_eq!(world.client.job(old).await.status, Status::Completed);
    ahead.store(91 * DAY, Ordering::Relaxed);
    eventually("the job goes", async || (world.client.get(&format!("/api/v1/jobs/{old}")).await.status == 404).then_some(())).await;
    assert_eq!(world.client.job(waiting).await.status, Status::Pending);
    assert_eq!(world.client.job(running).await.status, Status::Running);
    std::fs::write(dir.path().join("go"), "").unwrap();
    assert_eq!(world.client.ended(running).await.status, Status::Completed, "its end is not old");
    worker.stop().await;
    world.end().await;
}
