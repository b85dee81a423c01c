//! Messages that the broker confirmed and no longer has, and those that only look so.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use api_types::{Automation, Job};
use broker::{Broker, Consumer};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use e2e::{Delivery, Options, World};
use messages::JobMessage;
use orchestrator::Reconciler;
use regente::HubOptions;
use secrecy::ExposeSecret;
use serde_json::json;
use test_support::eventually;
use uuid::Uuid;

/// A hub whose clock can be put forward, and a robot of the plain contract that took the message of a job.
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
    let clock: orchestrator::Clock = Arc::new(move || (Utc::now() + TimeDelta::minutes(minutes.load(Ordering::Relaxed))).trunc_subsecs(6));
    let hub = HubOptions { clock, ..HubOptions::default() };
    let world = World::start_with(Delivery::Queue, Options { hub, ..Options::default() }).await;
    let queue = world.queue("lost");
    let automation = world.client.automation(&json!({"name": "l", "queue_name": queue, "script_path": "x"})).await;
    let broker = Broker::connect(world.settings.broker_url().unwrap().expose_secret(), "test").unwrap();
    let mut consumer = broker.consume(&queue, 10);
    let job = world.client.execute(&automation, &json!({})).await;
    let delivery = consumer.next().await.unwrap();
    assert_eq!(job_of(&delivery), job.id);
    Taken { world, ahead, broker, consumer, automation, job, delivery }
}

fn job_of(delivery: &broker::Delivery) -> Uuid {
    serde_json::from_slice::<JobMessage>(&delivery.body).unwrap().job_id.parse().unwrap()
}

impl Taken {
    /// So many minutes later lost messages are looked for.
    async fn later(&self, minutes: i64) {
        self.ahead.store(minutes, Ordering::Relaxed);
        self.world.hub.orchestrator().reconcile(Reconciler::LostMessages).await.unwrap();
    }

    async fn dispatched_at(&self) -> Option<DateTime<Utc>> {
        self.world.client.job(self.job.id).await.dispatched_at
    }

    async fn end(self) {
        self.broker.close().await;
        self.world.end().await;
    }
}

/// It may run many prefetched jobs one after the other, and another robot must not get a copy of those that wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_a_robot_has_not_acknowledged_is_not_lost() {
    let mut taken = taken().await;
    let sent = eventually("the message is confirmed", async || taken.dispatched_at().await).await;
    taken.later(5).await;
    // The writer takes what it was told before what it is asked after.
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
async fn a_message_that_is_gone_is_sent_again() {
    let Taken { world, ahead, broker, consumer, automation, job, delivery } = taken().await;
    delivery.ack().await.unwrap();
    drop(consumer);
    eventually("nobody consumes", async || broker.queue_depth(&automation.queue_name).await.ok().filter(|depth| depth.consumers == 0))
        .await;
    ahead.store(2, Ordering::Relaxed);
    world.hub.orchestrator().reconcile(Reconciler::LostMessages).await.unwrap();
    let mut consumer = broker.consume(&automation.queue_name, 10);
    assert_eq!(job_of(&consumer.next().await.unwrap()), job.id);
    broker.close().await;
    world.end().await;
}
