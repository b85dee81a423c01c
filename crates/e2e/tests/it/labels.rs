//! Jobs that require labels go to workers that have them all, whatever way those take jobs.

use domain::{ids::WorkerId, job::Status};
use e2e::{Delivery, RunningWorker, World, on_both};
use serde_json::json;

use crate::support::{heartbeats, lines, shell, submit, worker_named};

on_both!(only_workers_with_every_label_get_what_requires_them, jobs_with_labels_begin_by_priority_among_themselves);

const NOTES: &str = "echo \"$PARAM_N\" >> \"$PARAM_DIR/begun\"\n";

async fn worker(world: &World, queue: &str, labels: &[&str]) -> (RunningWorker, String, WorkerId) {
    let mut settings = world.worker_settings(&[queue], 2);
    settings.labels = labels.iter().map(|label| (*label).to_owned()).collect();
    let name = settings.name.clone().unwrap();
    let worker = world.worker_with(settings, None);
    let id = worker_named(world, &name).await.id;
    (worker, name, id)
}

async fn only_workers_with_every_label_get_what_requires_them(delivery: Delivery) {
    let world = World::start(delivery).await;
    let (queue, dir) = (world.queue("labels"), tempfile::tempdir().unwrap());
    let special = shell(&world, &queue, NOTES, json!({"requires": ["sap", "Windows"]})).await;
    let plain = shell(&world, &queue, NOTES, json!({})).await;
    let (none, name, none_id) = worker(&world, &queue, &[]).await;
    let (some, other_name, some_id) = worker(&world, &queue, &["windows", "excel"]).await;
    let waiting = submit(&world, &special, dir.path(), 0..6).await;
    for job in submit(&world, &plain, dir.path(), 6..12).await {
        let ended = world.client.ended(job).await;
        assert_eq!(ended.status, Status::Completed);
        assert!([Some(none_id), Some(some_id)].contains(&ended.worker_id));
    }
    heartbeats(&world, &name, 2).await;
    heartbeats(&world, &other_name, 2).await;
    for job in &waiting {
        let job = world.client.job(*job).await;
        assert_eq!((job.status, job.dispatched_at), (Status::Pending, None), "nobody has both labels");
    }
    let (all, _, all_id) = worker(&world, &queue, &["excel", "SAP", "windows"]).await;
    for job in &waiting {
        let ended = world.client.ended(*job).await;
        assert_eq!((ended.status, ended.worker_id), (Status::Completed, Some(all_id)));
    }
    none.stop().await;
    some.stop().await;
    for job in submit(&world, &plain, dir.path(), 12..14).await {
        assert_eq!(world.client.ended(job).await.worker_id, Some(all_id), "it takes the others too");
    }
    assert_eq!(lines(&dir.path().join("begun")).len(), 14, "each once");
    all.stop().await;
    world.end().await;
}

async fn jobs_with_labels_begin_by_priority_among_themselves(delivery: Delivery) {
    let world = World::start(delivery).await;
    let (queue, dir) = (world.queue("ranked"), tempfile::tempdir().unwrap());
    let special = |priority: i32| json!({"requires": ["sap"], "priority": priority});
    let (low, high) = (shell(&world, &queue, NOTES, special(1)).await, shell(&world, &queue, NOTES, special(9)).await);
    let mut jobs = submit(&world, &low, dir.path(), 0..4).await;
    jobs.extend(submit(&world, &high, dir.path(), 4..6).await);
    let mut settings = world.worker_settings(&[&queue], 1);
    settings.labels = vec!["sap".to_owned()];
    let worker = world.worker_with(settings, None);
    for job in &jobs {
        assert_eq!(world.client.ended(*job).await.status, Status::Completed);
    }
    assert_eq!(lines(&dir.path().join("begun")), ["4", "5", "0", "1", "2", "3"]);
    worker.stop().await;
    world.end().await;
}
