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
        let shutdown = Shutdown::default();
        let tasks = Tasks::new(Arc::new(Utc::now), shutdown.clone());
        let broker = Broker::connect(&test_support::amqp_url().unwrap(), "runtime-test").unwrap();
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

#[tokio::test]
async fn a_subscriber_learns_that_it_missed_events_without_another_one() {
    let subject = format!("toys/{}", Uuid::now_v7());
    let (mine, mut other) = (Process::start(&subject), Process::start(&subject));
    connected(&mine, &mut other, "toy.here").await;
    let ours = mine.id;
    let mut late = Process::start_with(&subject, Arc::new(move |id| Box::pin(async move { Ok(id == ours) })));
    assert_eq!(timeout(Duration::from_secs(30), late.heard.next()).await.expect("a notice in time"), Notice::Missed);
    mine.publish("toy.last");
    assert_eq!(late.next().await, "toy.last");
    for process in [mine, other, late] {
        process.stop().await;
    }
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
