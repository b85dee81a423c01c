//! Claiming workers of a hub with a broker.

use broker::Broker;
use domain::job::Status;
use e2e::{Delivery, Robots, World, on_both};
use serde_json::json;
use test_support::eventually;

on_both!(a_worker_of_every_queue_runs_jobs_of_queues_made_later_too);

async fn a_worker_of_every_queue_runs_jobs_of_queues_made_later_too(delivery: Delivery) {
    let world = World::start(delivery).await;
    let script = Robots::new(world.folder.path()).shell("robot.sh", "exit 0\n");
    let submit = async |name: &str| {
        let queue = world.queue(name);
        let body = json!({"name": queue, "queue_name": queue, "entrypoint_type": "SHELL", "script_path": script});
        let automation = world.client.automation(&body).await;
        world.client.execute(&automation, &json!({})).await.id
    };
    let before = submit("before").await;
    if delivery == Delivery::Queue {
        world.client.job_when(before, "is with the broker", |job| job.dispatched_at.is_some()).await;
    }
    let mut settings = world.worker_settings(&["*"], 2);
    settings.amqp = None;
    let worker = world.worker_with(settings, None);
    assert_eq!(world.client.ended(before).await.status, Status::Completed);
    for later in [submit("later").await, submit("latest").await] {
        assert_eq!(world.client.ended(later).await.status, Status::Completed);
    }
    worker.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_published_before_their_worker_registered_are_claimed() {
    let world = World::start(Delivery::Queue).await;
    let queue = world.queue("claimed-later");
    let script = Robots::new(world.folder.path()).shell("robot.sh", "exit 0\n");
    let automation = json!({"name": queue, "queue_name": queue, "entrypoint_type": "SHELL", "script_path": script});
    let automation = world.client.automation(&automation).await;
    let mut jobs = Vec::new();
    for _ in 0..20 {
        jobs.push(world.client.execute(&automation, &json!({})).await.id);
    }
    world.client.job_when(jobs[0], "is with the broker", |job| job.dispatched_at.is_some()).await;
    let mut settings = world.worker_settings(&[&queue], 3);
    settings.amqp = None;
    let worker = world.worker_with(settings.clone(), None);
    for job in &jobs {
        let ended = world.client.ended(*job).await;
        assert_eq!(ended.status, Status::Completed, "{ended:?}");
    }
    worker.stop().await;
    // This queue has no consumer: nothing is published to it any more, whether the worker runs or not. The worker has its name again, so it
    // also gets what was dispatched to its last claim while it stopped.
    let broker = Broker::connect(&test_support::amqp_url().unwrap(), "test").unwrap();
    let messages = async || broker.queue_depth(&queue).await.ok().map(|depth| depth.messages);
    let before = eventually("the broker reports its messages", messages).await;
    let later = world.client.execute(&automation, &json!({})).await.id;
    let worker = world.worker_with(settings, None);
    let ended = world.client.ended(later).await;
    assert_eq!(ended.status, Status::Completed, "{ended:?}");
    assert_eq!(messages().await, Some(before));
    broker.close().await;
    worker.stop().await;
    world.end().await;
}
