//! The bus of events between processes.

use std::{sync::Arc, time::Duration};

use broker::Broker;
use chrono::Utc;
use runtime::{
    Shutdown, Tasks,
    events::{Event, Events, Notice, Subscription},
};
use serde_json::Map;
use tokio::time::timeout;
use uuid::Uuid;

/// A process of its own, as far as events go.
struct Process {
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
        let shutdown = Shutdown::default();
        let tasks = Tasks::new(Arc::new(Utc::now), shutdown.clone());
        let broker = Broker::connect(&test_support::amqp_url().unwrap(), "runtime-test").unwrap();
        let events = Events::start(Some(broker.clone()), Uuid::now_v7().into(), &tasks, &shutdown);
        let heard = events.subscribe(&["toy."]);
        Self { events, heard, tasks, shutdown, broker, subject: subject.to_owned() }
    }

    fn publish(&self, kind: &'static str) {
        self.events.publish(Event::new(kind, self.subject.clone(), Utc::now(), Map::new()));
    }

    /// The kind of the next event of this test.
    async fn next(&mut self) -> String {
        loop {
            match timeout(Duration::from_secs(30), self.heard.next()).await.expect("an event in time") {
                Notice::Event(event) if event.subject == self.subject => return event.kind.to_string(),
                Notice::Event(_) => {}
                Notice::Missed(missed) => panic!("{missed} missed"),
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
