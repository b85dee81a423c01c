use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex},
};

use chrono::Utc;
use futures_util::future::BoxFuture;
use runtime::{Context, Events, Running, Service, StartError, events::Event};
use serde_json::{Map, Value};

use e2e::Client;

use super::reading::{Read, Sse};

/// A service that publishes what a test wants; apart, in another process than the gateway.
#[derive(Clone, Default)]
pub(super) struct Source(Arc<Mutex<Option<Events>>>);

impl Service for Source {
    fn name(&self) -> &'static str {
        "source"
    }

    fn describe(&self) -> utoipa::openapi::OpenApi {
        utoipa::openapi::OpenApi::default()
    }

    fn start<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Running, StartError>> {
        *self.0.lock().unwrap() = Some(context.events.clone());
        Box::pin(async { Ok(Running::new(|_| {})) })
    }
}

impl Source {
    pub(super) fn publish(&self, kind: &'static str, number: u64) {
        self.send(kind, number, Value::Null);
    }

    /// An event of so many bytes. Readers that keep up have time for it.
    pub(super) async fn publish_large(&self, kind: &'static str, number: u64, bytes: usize) {
        self.send(kind, number, "x".repeat(bytes).into());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }

    fn send(&self, kind: &'static str, number: u64, filling: Value) {
        let data: Map<String, Value> = [("number".to_owned(), number.into()), ("filling".to_owned(), filling)].into_iter().collect();
        let events = self.0.lock().unwrap().clone().expect("the source has started");
        events.publish(Event::new(kind, format!("jobs/{number}"), Utc::now(), data));
    }

    /// Publishes these numbers, and returns the ids under which the reader receives them, in order.
    pub(super) async fn publish_to(&self, reader: &mut impl Read, numbers: RangeInclusive<u64>) -> Vec<String> {
        numbers.clone().for_each(|number| self.publish("job.made", number));
        let events = reader.events(numbers.clone().count()).await;
        let heard: Vec<u64> = events.iter().map(|(_, event)| event.data["number"].as_u64().unwrap()).collect();
        assert_eq!(heard, numbers.collect::<Vec<_>>());
        events.into_iter().map(|(id, _)| id).collect()
    }

    /// Waits until what it publishes reaches this client's gateway: nobody knows when the gateway's subscription of the exchange is there.
    pub(super) async fn reaches(&self, client: &Client) {
        let mut reader = Sse::open_at(client, "?kinds=dead_letter.*", None).await;
        let speak = async {
            loop {
                self.publish("dead_letter.probed", 0);
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let hear = async |reader: &mut Sse, kind: &str| while reader.next().await.unwrap().event != kind {};
        tokio::select! { () = speak => {}, () = hear(&mut reader, "dead_letter.probed") => {} }
        // No probe comes after this.
        self.publish("dead_letter.settled", 0);
        hear(&mut reader, "dead_letter.settled").await;
    }
}
