//! Jobs that are canceled before they begin, and many at once.

use api_types::{BulkResponse, Job};
use domain::{
    ids::JobId,
    job::{Status, Trigger},
};
use e2e::{Delivery, on_both};
use serde_json::json;

use crate::support::{UNTIL_GO, begun, lines, shell, submit, world_with};

on_both!(a_job_canceled_after_dispatch_never_begins, many_are_canceled_at_once_and_run_again);

async fn a_job_canceled_after_dispatch_never_begins(delivery: Delivery) {
    let world = world_with(delivery, |settings| settings.dispatch.lookahead = 3).await;
    let (queue, dir) = (world.queue("on-its-way"), tempfile::tempdir().unwrap());
    let automation = shell(&world, &queue, UNTIL_GO, json!({})).await;
    let worker = world.worker(&[&queue], 1);
    let jobs = submit(&world, &automation, dir.path(), 0..5).await;
    begun(dir.path(), 1).await;
    if delivery == Delivery::Queue {
        world.client.job_when(jobs[1], "is on its way", |job| job.dispatched_at.is_some()).await;
    }
    for job in &jobs[1..4] {
        let canceled = world.client.post(&format!("/api/v1/jobs/{job}/cancel"), &json!({})).await.expect(200);
        assert_eq!(canceled.json::<Job>().status, Status::Canceled, "at once");
    }
    std::fs::write(dir.path().join("go"), "").unwrap();
    for job in [jobs[0], jobs[4]] {
        assert_eq!(world.client.ended(job).await.status, Status::Completed);
    }
    assert_eq!(lines(&dir.path().join("begun")), ["0", "4"]);
    worker.stop().await;
    world.end().await;
}

async fn many_are_canceled_at_once_and_run_again(delivery: Delivery) {
    let world = world_with(delivery, |settings| settings.dispatch.lookahead = 3).await;
    let (queue, dir) = (world.queue("bulk"), tempfile::tempdir().unwrap());
    let automation = shell(&world, &queue, UNTIL_GO, json!({"cancel_grace_s": 3600})).await;
    let worker = world.worker(&[&queue], 3);
    let jobs = submit(&world, &automation, dir.path(), 0..20).await;
    begun(dir.path(), 3).await;
    let bulk = async |what: &str, dry_run: bool| -> BulkResponse {
        let body = json!({"automation_id": automation.id, "dry_run": dry_run});
        world.client.post(&format!("/api/v1/jobs/bulk/{what}"), &body).await.expect(200).json()
    };
    let counted = bulk("cancel", true).await;
    assert_eq!((counted.matched, counted.done, counted.dry_run), (20, 0, true));
    let done = bulk("cancel", false).await;
    assert_eq!((done.matched, done.done, done.refused), (20, 20, 0));
    for job in &jobs {
        assert_eq!(world.client.ended(*job).await.status, Status::Canceled);
    }
    assert_eq!(lines(&dir.path().join("begun")).len(), 3, "those that ran were stopped, the others never began");
    std::fs::write(dir.path().join("go"), "").unwrap();
    assert_eq!(bulk("retry", false).await.done, 20);
    let again: Vec<Job> =
        world.client.get(&format!("/api/v1/jobs?limit=1000&trigger=RETRY&automation_id={}", automation.id)).await.expect(200).json();
    for job in &again {
        assert_eq!((job.trigger, world.client.ended(job.id).await.status), (Trigger::Retry, Status::Completed));
    }
    let mut first: Vec<JobId> = again.iter().filter_map(|job| job.retry_of).collect();
    first.sort_unstable();
    assert_eq!(first, jobs);
    assert_eq!(lines(&dir.path().join("begun")).len(), 23);
    worker.stop().await;
    world.end().await;
}
