//! Alerts over HTTP: what people see of them and do to them, what the time does, and what Alertmanager says.

mod people;
mod prometheus;
mod time;

use api_types::Alert;
use domain::alert::{AlertEventKind, AlertSource, AlertType, Facts, Key, Observation, Seen, Subject, Terms};
use e2e::World;

const ALERTS: &str = "/api/v1/alerts";

/// A breach of a queue that no rule of the hub watches, as an evaluation reports it.
fn breach(queue: &str, terms: Terms) -> Observation {
    let key = Key { rule_id: None, alert_type: AlertType::QueueBacklog, subject: Subject::Queue(queue.to_owned()) };
    let seen = Seen::Breach(Box::new(Facts { measured: Some(12.0), limit: Some(10.0), ..Facts::default() }));
    Observation { key, automation_id: None, source: AlertSource::Regente, terms, seen, at: chrono::Utc::now() }
}

/// The alert that opens by what was seen.
async fn opened(world: &World, seen: &Observation) -> Alert {
    let observe =
        async |txn: &store::Transaction| store::alerts::alert_observe_in_txn(txn, std::slice::from_ref(seen), chrono::Utc::now()).await;
    let changes = world.hub.database().in_transaction(observe).await.unwrap();
    get(world, changes[0].alert.id).await
}

async fn get(world: &World, id: domain::ids::AlertId) -> Alert {
    world.client.get(&format!("{ALERTS}/{id}")).await.expect(200).json()
}

async fn list(world: &World, query: &str) -> Vec<Alert> {
    world.client.get(&format!("{ALERTS}?{query}")).await.expect(200).json()
}

/// What happened to it, in order.
fn story(alert: &Alert) -> Vec<AlertEventKind> {
    alert.story.iter().map(|line| line.what).collect()
}
