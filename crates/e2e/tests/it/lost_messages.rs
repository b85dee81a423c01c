//! Messages that the broker confirmed and no longer has, and those that only seem lost.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use api_types::{Automation, Job, OpsStatus};
use broker::{Broker, Consumer};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::ids::JobId;
use e2e::{Delivery, Options, World};
use messages::JobMessage;
use regente::HubOptions;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;
use test_support::eventually;

/// A hub whose clock can be advanced, and a robot of the plain contract that took the message of a job.
struct Taken {
    world: World,
    ahead: Arc<AtomicI64>,
    broker: Broker,
    consumer: Consumer,
    automation: Automation,
    job: Job,
    delivery: broker::Delivery,
}

async fn taken() -> Taken {
    let ahead = Arc::new(AtomicI64::new(0));
    let minutes = ahead.clone();
    let clock: runtime::Clock = Arc::new(move || (Utc::now() + TimeDelta::minutes(minutes.load(Ordering::Relaxed))).trunc_subsecs(6));
    let hub = HubOptions { clock, ..HubOptions::default() };
    let world = World::start_with(Delivery::Queue, Options { hub, ..Options::default() }).await;
    let queue = world.queue("lost");
    let automation = world.client.automation(&json!({"name": "l", "queue_name": queue, "script_path": "x"})).await;
    let broker = Broker::connect(world.settings.broker_url().unwrap().expose_secret(), "test").unwrap();
    let mut consumer = broker.consume(&queue, 10);
    let job = world.client.execute(&automation, &json!({})).await;
    let delivery = consumer.next().await.unwrap();
    assert_eq!(job_of(&delivery), job.id);
    // Before the clock is advanced: a message that is not confirmed for so long is published again.
    eventually("the broker's confirmation is noted", async || world.client.job(job.id).await.dispatched_at).await;
    Taken { world, ahead, broker, consumer, automation, job, delivery }
}

fn job_of(delivery: &broker::Delivery) -> JobId {
    serde_json::from_slice::<JobMessage>(&delivery.body).unwrap().job_id.parse().unwrap()
}

impl Taken {
    /// Advances the clock by this many minutes and searches for lost messages.
    async fn later(&self, minutes: i64) {
        self.ahead.store(minutes, Ordering::Relaxed);
        self.world.hub.reconcile("lost_messages").await.unwrap();
    }

    async fn dispatched_at(&self) -> Option<DateTime<Utc>> {
        self.world.client.job(self.job.id).await.dispatched_at
    }

    async fn end(self) {
        self.broker.close().await;
        self.world.end().await;
    }
}

/// Each orchestrator counts its own.
async fn refused_keys(world: &World) -> u64 {
    let mut refused = 0;
    for client in world.orchestrators().await {
        refused += client.get("/api/v1/ops/status").await.expect(200).json::<OpsStatus>().refused_keys;
    }
    refused
}

/// It may run many prefetched jobs one after the other, and another robot must not get a copy of those that wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_a_robot_has_not_acknowledged_is_not_lost() {
    let mut taken = taken().await;
    let sent = eventually("the message is confirmed", async || taken.dispatched_at().await).await;
    taken.later(5).await;
    // The writer handles commands in order.
    let other = taken.world.client.execute(&taken.automation, &json!({})).await;
    let not_acknowledged = taken.consumer.next().await.unwrap();
    assert_eq!(job_of(&not_acknowledged), other.id);
    assert_eq!(taken.dispatched_at().await, Some(sent));
    taken.later(32).await;
    let again = taken.consumer.next().await.unwrap();
    assert!([taken.job.id, other.id].contains(&job_of(&again)), "no broker lets a robot keep one for so long");
    drop(not_acknowledged);
    taken.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_message_is_published_again() {
    let Taken { world, ahead, broker, consumer, automation, job, delivery } = taken().await;
    delivery.ack().await.unwrap();
    drop(consumer);
    eventually("nobody consumes", async || broker.queue_depth(&automation.queue_name).await.ok().filter(|depth| depth.consumers == 0))
        .await;
    ahead.store(2, Ordering::Relaxed);
    world.hub.reconcile("lost_messages").await.unwrap();
    let mut consumer = broker.consume(&automation.queue_name, 10);
    assert_eq!(job_of(&consumer.next().await.unwrap()), job.id);
    broker.close().await;
    world.end().await;
}

/// The production robot: it runs the message whatever the hub answers, and acknowledges it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_robot_has_a_wrong_key_is_not_published_for_ever() {
    let Taken { world, ahead, broker, mut consumer, automation, job, delivery } = taken().await;
    let why = async |code: &str| {
        let reason = world.client.job(job.id).await.waiting_reason;
        reason.filter(|reason| reason.code.as_str() == code)
    };
    let start_with_a_wrong_key = async || {
        let start = world.client.bare(Method::POST, &format!("/api/v1/worker/jobs/{}/start", job.id));
        let _refused = world.client.send(start.header("X-Worker-API-Key", "nonsense")).await.problem(401);
    };
    delivery.ack().await.unwrap();
    for times in 1..=3 {
        start_with_a_wrong_key().await;
        eventually("the job says whose fault it is", async || {
            let reason = why("worker_key_refused").await?;
            (reason.facts["times"] == json!(times)).then_some(())
        })
        .await;
        ahead.store(40 * times, Ordering::Relaxed);
        // Two runs at once report the same message: it counts once.
        let (one, two) = tokio::join!(world.hub.reconcile("lost_messages"), world.hub.reconcile("lost_messages"));
        one.and(two).unwrap();
        if times < 3 {
            let again = consumer.next().await.unwrap();
            assert_eq!(job_of(&again), job.id);
            again.ack().await.unwrap();
            eventually("the broker's confirmation is noted", async || world.client.job(job.id).await.dispatched_at).await;
        }
    }
    let held =
        eventually("it waits for a person", async || why("worker_key_refused").await.filter(|why| why.facts["parked"] == json!(true)))
            .await;
    assert!(held.message.starts_with("its worker's key was refused 3 times, last at "), "{}", held.message);
    assert!(held.message.ends_with("it waits until somebody resumes or cancels it"), "{}", held.message);
    assert_eq!(refused_keys(&world).await, 3);
    // Another job of the queue goes past it; nothing else comes before that.
    let other = world.client.execute(&automation, &json!({})).await;
    let next = consumer.next().await.unwrap();
    assert_eq!(job_of(&next), other.id);
    next.ack().await.unwrap();
    let resumed: Job = world.client.post(&format!("/api/v1/jobs/{}/resume", job.id), &json!({})).await.expect(200).json();
    assert!(resumed.waiting_reason.is_none_or(|why| why.code.as_str() != "worker_key_refused"));
    let again = consumer.next().await.unwrap();
    assert_eq!(job_of(&again), job.id);
    let _started = world.client.report(&format!("/jobs/{}/start", job.id), None, &json!({})).await.expect(200);
    again.ack().await.unwrap();
    let twice = world.client.post(&format!("/api/v1/jobs/{}/resume", job.id), &json!({})).await.problem(409);
    assert_eq!(twice.code, "wrong_state");
    broker.close().await;
    world.end().await;
}
