//! The bus of events between processes.

use std::{sync::Arc, time::Duration};

use broker::Broker;
use chrono::Utc;
use domain::ids::ReplicaId;
use runtime::{
    Shutdown, Tasks,
    events::{Event, Events, IsOurs, Notice, Subscription},
};
use serde_json::Map;
use test_support::Proxy;
use tokio::time::timeout;
use uuid::Uuid;

/// A process of its own, as far as events go.
struct Process {
    id: ReplicaId,
    events: Events,
    heard: Subscription,
    tasks: Tasks,
    shutdown: Shutdown,
    broker: Broker,
    /// What tells this test's events from those of others on the same exchange.
    subject: String,
}

impl Process {
    fn start(subject: &str) -> Self {
        Self::start_with(subject, Arc::new(|_| Box::pin(async { Ok(true) })))
    }

    fn start_with(subject: &str, is_ours: IsOurs) -> Self {
        Self::start_at(&test_support::amqp_url().unwrap(), subject, is_ours)
    }

    /// One that knows no other replica, and whose connection can be cut.
    async fn start_behind_proxy(subject: &str) -> (Self, Proxy) {
        let url = test_support::amqp_url().unwrap();
        let address = url.split_once('@').unwrap().1.split('/').next().unwrap().to_owned();
        let proxy = Proxy::start(address.clone()).await.unwrap();
        let this =
            Self::start_at(&url.replace(&address, &proxy.address().to_string()), subject, Arc::new(|_| Box::pin(async { Ok(false) })));
        test_support::eventually("it is connected", async || this.broker.is_connected().then_some(())).await;
        (this, proxy)
    }

    fn start_at(url: &str, subject: &str, is_ours: IsOurs) -> Self {
        let shutdown = Shutdown::default();
        let tasks = Tasks::new(Arc::new(Utc::now), shutdown.clone());
        let broker = Broker::connect(url, "runtime-test").unwrap();
        let id = Uuid::now_v7().into();
        let events = Events::start(Some(broker.clone()), id, is_ours, &tasks, &shutdown);
        let heard = events.subscribe(&["toy."]);
        Self { id, events, heard, tasks, shutdown, broker, subject: subject.to_owned() }
    }

    fn publish(&self, kind: &'static str) {
        self.events.publish(Event::new(kind, self.subject.clone(), Utc::now(), Map::new()));
    }

    /// The kind of the next event of this test.
    async fn next(&mut self) -> String {
        loop {
            match timeout(Duration::from_secs(30), self.heard.next()).await.expect("an event in time") {
                Notice::Event(event) if event.subject == self.subject => return event.kind.to_string(),
                // Other tests publish on the same exchange.
                Notice::Event(_) | Notice::Missed => {}
            }
        }
    }

    /// Skips what comes until an event of this kind.
    async fn until(&mut self, kind: &str) {
        while self.next().await != kind {}
    }

    async fn stop(self) {
        self.shutdown.trigger();
        self.tasks.join(Duration::from_secs(30)).await;
        self.broker.close().await;
    }
}

/// Publishes at `from` until `to` hears it: nobody knows when a subscription is there.
async fn connected(from: &Process, to: &mut Process, kind: &'static str) {
    let speak = async {
        loop {
            from.publish(kind);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! { () = speak => {}, () = to.until(kind) => {} }
}

#[tokio::test]
async fn each_process_receives_an_event_once_whichever_published_it() {
    let subject = format!("toys/{}", Uuid::now_v7());
    let (mut mine, mut other) = (Process::start(&subject), Process::start(&subject));
    connected(&mine, &mut other, "toy.here").await;
    connected(&other, &mut mine, "toy.there").await;
    // What is under way of the first ones is before this in either direction.
    mine.publish("toy.made");
    other.until("toy.made").await;
    other.publish("toy.seen");
    mine.until("toy.made").await;
    // The queue of the first has its own "made" before the other's "seen": were it heard again, it would be heard here.
    loop {
        match mine.next().await.as_str() {
            "toy.seen" => break,
            kind => assert_eq!(kind, "toy.there", "its own event came back over the exchange"),
        }
    }
    other.publish("toy.last");
    other.until("toy.last").await;
    mine.until("toy.last").await;
    mine.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_stop_publishes_the_remaining_events() {
    let subject = format!("toys/{}", Uuid::now_v7());
    let (mine, mut other) = (Process::start(&subject), Process::start(&subject));
    connected(&mine, &mut other, "toy.here").await;
    mine.publish("toy.last");
    mine.stop().await;
    other.until("toy.last").await;
    other.stop().await;
}

/// Judges only this replica as one of its hub.
fn only(ours: ReplicaId) -> IsOurs {
    Arc::new(move |id| Box::pin(async move { Ok(id == ours) }))
}

async fn notice(heard: &mut Subscription) -> Notice {
    timeout(Duration::from_secs(60), heard.next()).await.expect("a notice in time")
}

fn kind(notice: &Notice) -> &str {
    match notice {
        Notice::Event(event) => &event.kind,
        Notice::Missed => "missed",
    }
}

#[tokio::test]
async fn who_subscribed_before_events_arrive_learns_that_some_were_missed() {
    let subject = format!("toys/{}", Uuid::now_v7());
    let mut early = Process::start_with(&subject, only(Uuid::now_v7().into()));
    assert_eq!(notice(&mut early.heard).await, Notice::Missed);
    early.stop().await;
}

#[tokio::test]
async fn what_happened_before_somebody_listened_is_not_missed() {
    let subject = format!("toys/{}", Uuid::now_v7());
    let (mine, mut other) = (Process::start(&subject), Process::start(&subject));
    connected(&mine, &mut other, "toy.here").await;
    let late = Process::start_with(&subject, only(mine.id));
    late.events.listen().await;
    let mut heard = late.events.subscribe(&["toy."]);
    mine.publish("toy.last");
    // What was under way when it began to listen may come first.
    let mut first = notice(&mut heard).await;
    while kind(&first) == "toy.here" {
        first = notice(&mut heard).await;
    }
    assert_eq!(kind(&first), "toy.last");
    for process in [mine, other, late] {
        process.stop().await;
    }
}

#[tokio::test]
async fn what_a_replica_may_have_lost_before_it_was_heard_is_missed_without_another_event() {
    let subject = format!("toys/{}", Uuid::now_v7());
    let ((mine, proxy), mut other) = (Process::start_behind_proxy(&subject).await, Process::start(&subject));
    connected(&mine, &mut other, "toy.here").await;
    proxy.cut().await;
    let listener = Process::start_with(&subject, only(mine.id));
    listener.events.listen().await;
    let mut heard = listener.events.subscribe(&["toy."]);
    // It may have published while its connection was cut.
    proxy.restore();
    assert_eq!(notice(&mut heard).await, Notice::Missed);
    mine.publish("toy.last");
    assert_eq!(kind(&notice(&mut heard).await), "toy.last");
    for process in [mine, other, listener] {
        process.stop().await;
    }
}

#[tokio::test]
async fn a_break_of_the_subscription_is_a_miss() {
    let subject = format!("toys/{}", Uuid::now_v7());
    let (listener, proxy) = Process::start_behind_proxy(&subject).await;
    listener.events.listen().await;
    let mut heard = listener.events.subscribe(&["toy."]);
    proxy.cut().await;
    proxy.restore();
    assert_eq!(notice(&mut heard).await, Notice::Missed);
    listener.stop().await;
}

#[tokio::test]
async fn the_death_of_a_replica_is_a_miss() {
    let subject = format!("toys/{}", Uuid::now_v7());
    let mine = Process::start(&subject);
    let mut listener = Process::start_with(&subject, only(mine.id));
    connected(&mine, &mut listener, "toy.one").await;
    // Its connection ends, and it has not said that it stops.
    mine.broker.close().await;
    while notice(&mut listener.heard).await != Notice::Missed {}
    mine.stop().await;
    listener.stop().await;
}

#[tokio::test]
async fn events_of_other_hubs_on_the_broker_are_ignored() {
    let subject = format!("toys/{}", Uuid::now_v7());
    let (mine, foreign) = (Process::start(&subject), Process::start(&subject));
    let ours = mine.id;
    let mut heard = Process::start_with(&subject, Arc::new(move |id| Box::pin(async move { Ok(id == ours) })));
    connected(&mine, &mut heard, "toy.here").await;
    foreign.publish("toy.foreign");
    // The exchange has carried events of the foreign one once somebody has heard them.
    let mut witness = Process::start(&subject);
    connected(&foreign, &mut witness, "toy.foreign").await;
    mine.publish("toy.last");
    loop {
        match heard.next().await.as_str() {
            "toy.last" => break,
            kind => assert_eq!(kind, "toy.here"),
        }
    }
    for process in [mine, foreign, heard, witness] {
        process.stop().await;
    }
}
