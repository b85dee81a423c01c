//! The hub's system clock is set while jobs wait and run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use api_types::{JobAssignment, RegisterResponse};
use chrono::{TimeDelta, Utc};
use domain::job::Status;
use e2e::{Delivery, Options, World};
use regente::HubOptions;
use runtime::SteadyClock;
use serde_json::json;
use test_support::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_ends_no_job_and_delays_none() {
    let step = Arc::new(AtomicI64::new(0));
    let (seconds, started) = (step.clone(), Instant::now());
    let wall = move || Utc::now() + TimeDelta::seconds(seconds.load(Ordering::Relaxed));
    let steady_clock = SteadyClock::new(Arc::new(wall), Arc::new(move || started.elapsed()));
    let steady = steady_clock.clone();
    let hub = HubOptions { clock: Arc::new(move || steady.now()), steady_clock, ..HubOptions::default() };
    let leases = |settings: &mut runtime::Settings| {
        settings.lease.agent = Duration::from_secs(30);
        settings.lease.silent = Duration::from_secs(30);
    };
    let world = World::start_with(Delivery::Pull, Options { hub, settings: Some(Box::new(leases)), ..Options::default() }).await;
    let queue = world.queue("clock");
    let body = json!({"name": "c", "queue_name": queue, "script_path": "x", "timeout_s": 30, "queue_timeout_s": 30,
        "retry_policy": {"max_attempts": 2, "base_s": 0.5, "jitter": 0}});
    let automation = world.client.automation(&body).await;
    let (running, waiting) =
        (world.client.execute(&automation, &json!({})).await.id, world.client.execute(&automation, &json!({})).await.id);
    let report = async |what: &str, body| world.client.report(&format!("/jobs/{running}/{what}"), None, &body).await.expect(200);
    let _started = report("start", json!({})).await;
    step.store(45, Ordering::Relaxed);
    for which in ["expired_leases", "job_timeouts", "queue_timeouts"] {
        world.hub.reconcile(which).await.unwrap();
    }
    assert_eq!((world.client.job(running).await.status, world.client.job(waiting).await.status), (Status::Running, Status::Pending));
    let _canceled = world.client.post(&format!("/api/v1/jobs/{waiting}/cancel"), &json!({})).await.expect(200);
    let _failed = report("finish", json!({"status": "failed"})).await;
    step.store(-600, Ordering::Relaxed);
    let worker = json!({"name": "w", "queues": [queue], "slots": 1});
    let worker: RegisterResponse = world.client.report("/register", None, &worker).await.expect(200).json();
    let retry = eventually("the retry is due", async || {
        let claim = json!({"worker_id": worker.worker_id, "queues": [queue]});
        world.client.report("/jobs/claim", None, &claim).await.expect(200).json::<Vec<JobAssignment>>().pop()
    })
    .await;
    assert_eq!(retry.attempt, 2);
    world.end().await;
}
