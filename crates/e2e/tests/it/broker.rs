//! Faults of the broker.

use std::sync::Arc;

use broker::{Broker, QueueProfile};
use domain::{
    Scope, health,
    ids::JobId,
    job::{ErrorClass, Status},
    waiting::WaitingCode,
};
use e2e::{Delivery, GatedRunner, Options, Shape, World};
use messages::JobMessage;
use secrecy::ExposeSecret;
use serde_json::json;
use test_support::{Proxy, eventually};
use uuid::Uuid;

fn connect(world: &World) -> Broker {
    Broker::connect(world.settings.broker_url().unwrap().expose_secret(), "test").unwrap()
}

/// Host and port of the tests' broker, and the URL with another host and port in their place.
fn through(proxy: &Proxy) -> String {
    let url = test_support::amqp_url().unwrap();
    url.replace(&target(), &proxy.address().to_string())
}

fn target() -> String {
    let url = test_support::amqp_url().unwrap();
    let rest = url.split_once("://").unwrap().1;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    host.split(['/', '?']).next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_accepted_while_the_broker_is_unreachable_and_run_when_it_is_back() {
    let proxy = Proxy::start(target()).await.unwrap();
    let url = through(&proxy);
    let settings = move |settings: &mut runtime::Settings| settings.broker.url = url.into();
    let world = World::start_with(Delivery::Queue, Options { settings: Some(Box::new(settings)), ..Options::default() }).await;
    let queue = world.queue("away");
    let automation = world.client.automation(&json!({"name": "a", "queue_name": queue, "script_path": "x"})).await;
    let runner = GatedRunner::default();
    runner.open(1000);
    let worker = world.worker_with(world.worker_settings(&[&queue], 4), Some(Arc::new(runner.clone())));
    let first = world.client.execute(&automation, &json!({})).await;
    world.client.ended(first.id).await;
    proxy.cut().await;
    eventually("the hub sees it", async || {
        let health: api_types::Health = world.client.get("/api/v1/health").await.expect(200).json();
        (health.status == health::Status::Degraded && health.broker == health::Broker::Unreachable).then_some(())
    })
    .await;
    let mut jobs = Vec::new();
    for _ in 0..50 {
        jobs.push(world.client.execute(&automation, &json!({})).await.id);
    }
    assert!(world.client.job(jobs[49]).await.status == Status::Pending);
    proxy.restore();
    for id in &jobs {
        assert_eq!(world.client.ended(*id).await.status, Status::Completed);
    }
    let mut started = runner.started();
    started.sort_unstable();
    let mut expected = vec![first.id];
    expected.extend(jobs);
    assert_eq!(started, expected, "each once");
    worker.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_message_fails_its_job_and_is_kept() {
    for (profile, name) in [("regente", "r"), ("maestro", "m")] {
        let world = World::start(Delivery::Queue).await;
        let queue = world.queue("dead");
        let body = json!({"name": name, "queue_name": queue, "script_path": "x", "queue_profile": profile});
        let automation = world.client.automation(&body).await;
        let job = world.client.execute(&automation, &json!({})).await;
        let broker = connect(&world);
        let mut consumer = broker.consume(&queue, 1);
        consumer.next().await.unwrap().reject().await.unwrap();
        let dead = world.client.ended(job.id).await;
        assert_eq!((dead.status, dead.error_class), (Status::Failed, Some(ErrorClass::DeadLettered)), "{profile}");
        let letters = eventually("the message is kept", async || {
            Some(
                store::dead_letters::dead_letter_list(
                    world.hub.database(),
                    &Scope::All,
                    &store::dead_letters::Filter { limit: 10, ..Default::default() },
                )
                .await
                .unwrap(),
            )
            .filter(|letters| !letters.is_empty())
        })
        .await;
        assert_eq!(
            (letters[0].job_id, letters[0].queue_name.as_str(), letters[0].reason.as_str()),
            (Some(job.id), queue.as_str(), "rejected")
        );
        broker.close().await;
        world.end().await;
    }
}

/// The queue of a new automation is declared while its first jobs come in, and another client queries the broker about queues all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_messages_of_a_new_queue_keep_their_order() {
    let only = Some(Shape::Together.only("each orchestrator publishes what it accepts, so that the order holds among the jobs of one"));
    let world = World::start_with(Delivery::Queue, Options { only, ..Options::default() }).await;
    let client = world.client.clone();
    let asking = tokio::spawn(async move {
        loop {
            let asked = (0..4).map(|_| client.get("/api/v1/jobs?status=pending&limit=1000"));
            futures_util::future::join_all(asked).await;
        }
    });
    let mut sent = Vec::new();
    for nth in 0..30 {
        let queue = world.queue(&format!("new-{nth}"));
        let automation = world.client.automation(&json!({"name": format!("a{nth}"), "queue_name": queue, "script_path": "x"})).await;
        let mut jobs = Vec::new();
        for _ in 0..4 {
            jobs.push(world.client.execute(&automation, &json!({})).await.id);
        }
        sent.push((queue, jobs));
    }
    asking.abort();
    let broker = connect(&world);
    for (queue, jobs) in sent {
        let mut consumer = broker.consume(&queue, 10);
        let mut received = Vec::new();
        while received.len() < jobs.len() {
            let delivery = consumer.next().await.unwrap();
            received.push(serde_json::from_slice::<JobMessage>(&delivery.body).unwrap().job_id.parse::<JobId>().unwrap());
            delivery.ack().await.unwrap();
        }
        assert_eq!(received, jobs, "{queue}");
    }
    broker.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_messages_are_dead_lettered_and_the_jobs_behind_them_run() {
    let world = World::start(Delivery::Queue).await;
    let queue = world.queue("poison");
    let automation = world.client.automation(&json!({"name": "p", "queue_name": queue, "script_path": "x"})).await;
    let broker = connect(&world);
    eventually("the broker is there", async || broker.ensure_queue(&queue, QueueProfile::Regente).await.ok()).await;
    let poison: [&[u8]; 4] = [b"not json", b"[1,2]", b"{\"job_id\":\"nobody\"}", &[0xff, 0xfe, 0x00]];
    for body in poison {
        broker.publish(&queue, body.to_vec().into(), &[]).await.unwrap();
    }
    let stranger =
        serde_json::to_vec(&json!({"job_id": Uuid::now_v7(), "automation_id": 1, "script_path": "x", "parameters": {}})).unwrap();
    broker.publish(&queue, stranger.into(), &[]).await.unwrap();
    let runner = GatedRunner::default();
    runner.open(10);
    let worker = world.worker_with(world.worker_settings(&[&queue], 1), Some(Arc::new(runner.clone())));
    let job = world.client.execute(&automation, &json!({})).await;
    assert_eq!(world.client.ended(job.id).await.status, Status::Completed);
    assert_eq!(runner.started(), [job.id]);
    let letters = eventually("the poison is kept", async || {
        Some(
            store::dead_letters::dead_letter_list(
                world.hub.database(),
                &Scope::All,
                &store::dead_letters::Filter { limit: 10, ..Default::default() },
            )
            .await
            .unwrap(),
        )
        .filter(|letters| letters.len() >= 4)
    })
    .await;
    assert!(letters.iter().all(|letter| letter.job_id.is_none() && letter.queue_name == queue), "{letters:?}");
    broker.close().await;
    worker.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_delivered_twice_runs_once() {
    let world = World::start(Delivery::Queue).await;
    let queue = world.queue("twice");
    let automation = world.client.automation(&json!({"name": "t", "queue_name": queue, "script_path": "x"})).await;
    let job = world.client.execute(&automation, &json!({"a": 1})).await;
    let broker = connect(&world);
    let mut consumer = broker.consume(&queue, 1);
    let delivery = consumer.next().await.unwrap();
    let body = delivery.body.clone();
    delivery.requeue().await.unwrap();
    drop(consumer);
    for _ in 0..3 {
        broker.publish(&queue, body.clone(), &[]).await.unwrap();
    }
    let runner = GatedRunner::default();
    runner.open(10);
    let workers = [
        world.worker_with(world.worker_settings(&[&queue], 2), Some(Arc::new(runner.clone()))),
        world.worker_with(world.worker_settings(&[&queue], 2), Some(Arc::new(runner.clone()))),
    ];
    assert_eq!(world.client.ended(job.id).await.status, Status::Completed);
    eventually("the queue is empty", async || (broker.queue_depth(&queue).await.unwrap().messages == 0).then_some(())).await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(runner.started(), [job.id]);
    broker.close().await;
    world.end().await;
}

/// As after a hub that dies between the commit of a job and the confirm of its message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unconfirmed_message_is_published_again() {
    let sweep = |settings: &mut runtime::Settings| settings.dispatch.sweep_after = std::time::Duration::from_millis(300);
    let world = World::start_with(Delivery::Queue, Options { settings: Some(Box::new(sweep)), ..Options::default() }).await;
    let queue = world.queue("sweep");
    let automation = world.client.automation(&json!({"name": "s", "queue_name": queue, "script_path": "x"})).await;
    let new = store::jobs::NewJob {
        automation_id: automation.id,
        dispatch_started_at: Some(chrono::Utc::now()),
        ..test_support::new_job(Uuid::now_v7().into(), &queue)
    };
    let txn = world.hub.database().begin().await.unwrap();
    store::jobs::job_insert_many_in_txn(&txn, &[&new]).await.unwrap();
    txn.commit().await.unwrap();
    let runner = GatedRunner::default();
    runner.open(1);
    let worker = world.worker_with(world.worker_settings(&[&queue], 1), Some(Arc::new(runner.clone())));
    assert_eq!(world.client.ended(new.id).await.status, Status::Completed);
    worker.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_holds_a_bounded_part_of_the_backlog() {
    let world = World::start(Delivery::Queue).await;
    let queue = world.queue("window");
    let automation = world.client.automation(&json!({"name": "w", "queue_name": queue, "script_path": "x"})).await;
    for _ in 0..40 {
        world.client.execute(&automation, &json!({})).await;
    }
    let broker = connect(&world);
    let window = u32::try_from(world.settings.dispatch.window).unwrap();
    // What another replica has published counts from the next tick on.
    let replicas = 1 + u32::try_from(world.peers.len()).unwrap();
    eventually("the window is full", async || {
        let depth = broker.queue_depth(&queue).await.ok()?;
        assert!(depth.messages <= window * replicas, "{depth:?}");
        (depth.messages >= window).then_some(())
    })
    .await;
    broker.close().await;
    world.end().await;
}

/// Robots of RPS Maestro declare their queue themselves; what is there is adopted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_existing_queue_is_adopted() {
    let world = World::start(Delivery::Queue).await;
    let queue = world.queue("adopted");
    let broker = connect(&world);
    eventually("the broker is there", async || broker.ensure_queue(&queue, QueueProfile::Plain).await.ok()).await;
    let automation =
        world.client.automation(&json!({"name": "a", "queue_name": queue, "script_path": "x", "queue_profile": "regente"})).await;
    let job = world.client.execute(&automation, &json!({"k": "v"})).await;
    let mut consumer = broker.consume(&queue, 1);
    let delivery = consumer.next().await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&delivery.body).unwrap();
    assert_eq!(body["job_id"], json!(job.id));
    assert_eq!(
        (&body["automation_id"], &body["script_path"], &body["parameters"]),
        (&json!(automation.id), &json!("x"), &json!({"k": "v"}))
    );
    delivery.ack().await.unwrap();
    broker.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_hub_detects_who_holds_a_message() {
    let world = World::start(Delivery::Queue).await;
    let queue = world.queue("held");
    let made = world.client.automation(&json!({"name": "held", "queue_name": queue, "script_path": "x"})).await;
    let job = world.client.execute(&made, &json!({})).await;
    let broker = connect(&world);
    let mut consumer = broker.consume(&queue, 1);
    let held = consumer.next().await.unwrap();
    let world = world.restart().await;
    eventually("the hub detects that a robot holds the message", async || {
        world.client.job(job.id).await.waiting_reason.filter(|reason| reason.code == WaitingCode::OnTheWay)
    })
    .await;
    drop(held);
    broker.close().await;
    world.end().await;
}
