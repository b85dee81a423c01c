//! Jobs with the same concurrency key, by real workers and robots.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use domain::job::{ErrorClass, Status};
use e2e::{Delivery, World, on_both};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{UNTIL_GO, begun, lines, shell, submit, worker_named, world_with};

on_both!(never_two_with_the_same_key_at_once, a_crashed_worker_frees_its_keys_with_its_leases);

/// Takes the key's folder for itself; a second robot at the same time cannot.
const ALONE: &str = "mkdir \"$PARAM_DIR/$PARAM_CNPJ\" || echo \"$PARAM_CNPJ\" >> \"$PARAM_DIR/overlaps\"
echo + >> \"$PARAM_DIR/running\"; sleep 0.1; echo - >> \"$PARAM_DIR/running\"
rmdir \"$PARAM_DIR/$PARAM_CNPJ\"\n";

/// Most robots that ran at once.
fn most_at_once(file: &Path) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for line in lines(file) {
        now = if line == "+" { now + 1 } else { now - 1 };
        most = most.max(now);
    }
    most
}

#[expect(clippy::print_stdout, reason = "the figure is for whoever runs the test")]
async fn never_two_with_the_same_key_at_once(delivery: Delivery) {
    let world = World::start(delivery).await;
    let (queue, dir) = (world.queue("keys"), tempfile::tempdir().unwrap());
    let automation = shell(&world, &queue, ALONE, json!({"concurrency_key": format!("{queue}:{{cnpj}}")})).await;
    let workers = [world.worker(&[&queue], 10), world.worker(&[&queue], 10)];
    let start = Instant::now();
    let parameters: Vec<_> = (0..60).map(|n| json!({"cnpj": format!("cnpj-{}", n % 5), "dir": dir.path()})).collect();
    let jobs = join_all(parameters.iter().map(|parameters| world.client.execute(&automation, parameters))).await;
    for job in &jobs {
        let ended = world.client.ended(job.id).await;
        assert_eq!(ended.status, Status::Completed, "{:?}", ended.error_message);
    }
    let most = most_at_once(&dir.path().join("running"));
    println!("60 jobs over 5 keys ({delivery:?}): {} ms, at most {most} at once", start.elapsed().as_millis());
    assert_eq!(lines(&dir.path().join("overlaps")), Vec::<String>::new());
    assert_eq!(lines(&dir.path().join("running")).len(), 120, "each once");
    assert!((2..=5).contains(&most), "keys do not wait for each other: {most}");
    for worker in workers {
        worker.stop().await;
    }
    world.end().await;
}

async fn a_crashed_worker_frees_its_keys_with_its_leases(delivery: Delivery) {
    let world = world_with(delivery, |settings| settings.lease.agent = Duration::from_secs(2)).await;
    let (queue, dir) = (world.queue("freed"), tempfile::tempdir().unwrap());
    let automation = shell(&world, &queue, UNTIL_GO, json!({"concurrency_key": queue})).await;
    let crashes = world.worker(&[&queue], 10);
    let jobs = submit(&world, &automation, dir.path(), 0..2).await;
    begun(dir.path(), 1).await;
    let settings = world.worker_settings(&[&queue], 10);
    let name = settings.name.clone().unwrap();
    let other = world.worker_with(settings, None);
    let other_id = worker_named(&world, &name).await.id;
    crashes.crash();
    let lost = world.client.ended(jobs[0]).await;
    assert_eq!((lost.status, lost.error_class), (Status::Failed, Some(ErrorClass::WorkerLost)));
    begun(dir.path(), 2).await;
    let next = world.client.job_when(jobs[1], "begins", |job| job.started_at.is_some()).await;
    assert_eq!(next.worker_id, Some(other_id));
    let (heard_of, ended) = (lost.last_heartbeat_at.unwrap(), lost.completed_at.unwrap());
    assert!(ended - heard_of >= TimeDelta::seconds(2), "not before the lease was over: {lost:?}");
    assert!(next.started_at.unwrap() >= ended, "{next:?} {lost:?}");
    std::fs::write(dir.path().join("go"), "").unwrap();
    assert_eq!(world.client.ended(jobs[1]).await.status, Status::Completed);
    other.stop().await;
    world.end().await;
}
