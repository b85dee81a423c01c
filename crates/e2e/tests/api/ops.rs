//! Status and reconcilers.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use api_types::{OpsStatus, ReconcilerStatus, WorkerCounts};
use chrono::{SubsecRound, TimeDelta, Utc};
use domain::job::Status;
use e2e::{Delivery, Options, World, on_both};
use regente::HubOptions;
use runtime::{Clock, Counts};
use serde_json::json;
use test_support::eventually;

use crate::support::{automation, calm, register, replica, start};

on_both!(status_shows_workers_queues_and_jobs, reconcilers_run_and_are_listed, live_replicas_are_listed, what_is_too_old_is_removed);

async fn status(world: &World) -> OpsStatus {
    world.client.get("/api/v1/ops/status").await.expect(200).json()
}

async fn status_shows_workers_queues_and_jobs(delivery: Delivery) {
    let world = calm(delivery).await;
    let (busy, idle) = (automation(&world, "busy").await, automation(&world, "idle").await);
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(world.client.execute(&busy, &json!({})).await.id);
    }
    for (job, end) in jobs.iter().zip([None, Some("failed"), Some("completed")]) {
        start(&world, *job).await;
        if let Some(status) = end {
            let _ended = world.client.report(&format!("/jobs/{job}/finish"), None, &json!({"status": status})).await.expect(200);
        }
    }
    let id = register(&world, "w", &[&idle.queue_name]).await;
    let _paused = world.client.post(&format!("/api/v1/workers/{id}/pause"), &json!({})).await.expect(200);
    let has_broker = delivery == Delivery::Queue;
    let shown = eventually("the figures are there", async || {
        let shown = status(&world).await;
        let fine = (shown.running, shown.pending, shown.failed_last_hour, shown.completed_last_hour) == (1, 2, 1, 1);
        let delivered = !has_broker || shown.queues.iter().any(|queue| queue.depth.is_some_and(|depth| depth > 0));
        (fine && shown.workers.paused == 1 && delivered).then_some(shown)
    })
    .await;
    assert_eq!(shown.workers, WorkerCounts { paused: 1, ..WorkerCounts::default() });
    assert_eq!((shown.database.as_str(), shown.broker.configured, shown.broker.connected), ("ok", has_broker, has_broker));
    assert!(!shown.version.is_empty() && shown.oldest_pending_s.is_some_and(|age| (0.0..60.0).contains(&age)), "{shown:?}");
    let names: Vec<&str> = shown.queues.iter().map(|queue| queue.name.as_str()).collect();
    assert_eq!(names, [busy.queue_name.as_str(), idle.queue_name.as_str()]);
    assert_eq!((shown.queues[0].waiting + shown.queues[0].dispatched, shown.queues[0].running), (2, 1));
    assert_eq!((shown.queues[1].waiting, shown.queues[1].running, shown.queues[1].oldest_waiting_s), (0, 0, None));
    assert_eq!(shown.queues[0].depth.is_some(), has_broker);
    world.end().await;
}

async fn reconcilers_run_and_are_listed(delivery: Delivery) {
    let world = calm(delivery).await;
    let list = async || -> Vec<ReconcilerStatus> { world.client.get("/api/v1/ops/reconcilers").await.expect(200).json() };
    let listed = eventually("those that run often have run", async || {
        let often = |one: &&ReconcilerStatus| one.interval_s < 1.0;
        Some(list().await).filter(|all| all.iter().filter(often).count() == 4 && all.iter().filter(often).all(|one| one.runs >= 2))
    })
    .await;
    let names = [
        "alerts",
        "audit_seal",
        "chains",
        "dispatch_stalls",
        "expired_leases",
        "heartbeat",
        "job_timeouts",
        "lost_messages",
        "lost_workers",
        "queue_timeouts",
        "report_plans",
        "retention_alerts",
        "retention_dead_letters",
        "retention_fires",
        "retention_hook_deliveries",
        "retention_jobs",
        "retention_logs",
        "retention_notifications",
        "retention_sessions",
        "sla_runs",
        "unconfirmed_sweep",
    ];
    assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), names);
    let expired = listed.iter().find(|one| one.name == "expired_leases").unwrap();
    assert_eq!((expired.last_outcome.as_ref(), expired.last_error.as_ref()), (Some(&json!({"jobs_ended": 0, "jobs_not_ended": 0})), None));
    let in_order = expired.running || expired.last_started_at <= expired.last_finished_at;
    assert!(in_order && expired.last_duration_ms.is_some(), "{expired:?}");
    world.end().await;
}

async fn live_replicas_are_listed(delivery: Delivery) {
    let world = calm(delivery).await;
    let (other, _) = replica(&world).await;
    let processes = 1 + world.peers.len() + world.gateways.len();
    let all = eventually("all are listed", async || Some(status(&world).await.replicas).filter(|all| all.len() == processes + 1)).await;
    let ids: BTreeSet<_> = all.iter().map(|replica| replica.id).collect();
    assert_eq!(ids.len(), all.len());
    other.stop().await;
    world.end().await;
}

/// The hub's clock advances by itself, and by what the test adds.
async fn what_is_too_old_is_removed(delivery: Delivery) {
    let added = Arc::new(AtomicI64::new(0));
    let hours = added.clone();
    let clock: Clock = Arc::new(move || (Utc::now() + TimeDelta::hours(hours.load(Ordering::Relaxed))).trunc_subsecs(6));
    let settings = |settings: &mut runtime::Settings| {
        settings.lease.silent = std::time::Duration::from_secs(1000 * 86_400);
        settings.retention.logs = std::time::Duration::ZERO;
    };
    let hub = HubOptions { clock, ..HubOptions::default() };
    let world = World::start_with(delivery, Options { settings: Some(Box::new(settings)), hub, ..Options::default() }).await;
    let automation = automation(&world, "old").await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(world.client.execute(&automation, &json!({})).await.id);
    }
    start(&world, jobs[0]).await;
    let _logged = world.client.report(&format!("/jobs/{}/log", jobs[0]), None, &json!({"message": "m"})).await.expect(201);
    let _ended = world.client.report(&format!("/jobs/{}/finish", jobs[0]), None, &json!({"status": "completed"})).await.expect(200);
    start(&world, jobs[1]).await;
    let run = async |which| world.hub.reconcile(which).await.unwrap();
    added.store(89 * 24, Ordering::Relaxed);
    assert_eq!(run("retention_jobs").await, Counts::from([("jobs_removed", 0)]));
    added.store(91 * 24, Ordering::Relaxed);
    assert_eq!(run("retention_logs").await, Counts::from([("log_batches_removed", 0), ("events_removed", 0)]), "kept for ever");
    // The hub's own run may be faster.
    run("retention_jobs").await;
    assert_eq!(world.client.get(&format!("/api/v1/jobs/{}", jobs[0])).await.problem(404).code, "not_found");
    assert_eq!(world.client.job(jobs[1]).await.status, Status::Running);
    assert_eq!(world.client.job(jobs[2]).await.status, Status::Pending);
    world.end().await;
}
