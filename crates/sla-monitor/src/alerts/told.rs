//! Tells others what happened to alerts, after the commit: subscribers of live events, and whoever routes notices.

use std::sync::Arc;

use domain::alert::Alert;
use runtime::{Clock, Context, Events, events::Event};
use serde_json::{Map, Value, json};
use store::alerts::AlertChange;
use tokio::sync::Notify;

/// Tells others. Clones share the nudge.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) events: Events,
    pub(crate) clock: Clock,
    /// There are notices to be routed.
    pub(crate) notices: Arc<Notify>,
}

impl Told {
    pub(crate) fn new(context: &Context) -> Self {
        Self { events: context.events.clone(), clock: context.clock.clone(), notices: Arc::default() }
    }

    /// What was changed and committed.
    pub(crate) fn tell(&self, changes: &[AlertChange]) {
        if changes.iter().any(AlertChange::is_told) {
            self.notices.notify_one();
        }
        for change in changes {
            let AlertChange { alert, what } = change;
            let words: Vec<&str> = what.iter().map(|what| what.as_str()).collect();
            tracing::info!(alert.id = %alert.id, alert.key = %alert.key, severity = alert.severity.as_str(), what = words.join(" "), "an alert changed");
            if self.events.has_receivers() {
                self.events.publish(event(change, (self.clock)()));
            }
        }
    }
}

fn event(change: &AlertChange, now: chrono::DateTime<chrono::Utc>) -> Event {
    let Alert { id, key, automation_id, severity, source, .. } = &change.alert;
    let kind = match change {
        change if change.is_resolved() => "alert.resolved",
        change if change.is_opened() => "alert.opened",
        _ => "alert.changed",
    };
    let (subject_kind, subject) = key.subject.parts();
    let data = json!({
        "alert_id": id, "alert_type": key.alert_type, "severity": severity, "status": change.alert.status(), "source": source,
        "rule_id": key.rule_id, "automation_id": automation_id, "subject_kind": subject_kind, "subject_name": subject
    });
    let data = if let Value::Object(data) = data { data } else { Map::new() };
    Event::new(kind, format!("alerts/{id}"), now, data)
}
