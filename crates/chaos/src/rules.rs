//! SLA rules beside the load, and the receiver of what they tell: it takes messages, and says so not always.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context as _, Result};
use api_types::{ChannelCreate, SlaUpdate};
use client::Client;
use domain::{
    alert::Severity,
    ids::{AlertId, ChannelId, NotificationId, SlaId},
};
use serde_json::{Value, json};
use test_support::{Receiver, Reply};
use uuid::Uuid;

use crate::{shapes::Shape, world::QUEUES};

/// So many failures in a row are an alert of the rule of streaks.
const STREAK: usize = 3;
/// Of so many messages one is taken and the connection closed without an answer, and of so many one is refused.
const UNANSWERED: usize = 5;
const REFUSED: usize = 7;

/// A rule of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watching {
    pub(crate) rule: SlaId,
    /// Its alert is open while so many of the last runs of an automation failed; `None`: it is about something else.
    pub(crate) failures: Option<usize>,
}

/// What a receiver got, without what it says to people.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// By which a receiver recognises a message that comes again.
    pub(crate) id: NotificationId,
    /// `regente.alert.opened`…
    pub(crate) kind: String,
    pub(crate) alerts: BTreeSet<AlertId>,
}

/// Where the messages go.
pub(crate) struct Inbox {
    receiver: Receiver,
}

impl Inbox {
    pub(crate) async fn open() -> Result<Self> {
        let count = AtomicUsize::new(0);
        let receiver = Receiver::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
            nth if nth % UNANSWERED == UNANSWERED - 1 => Reply::Close,
            nth if nth % REFUSED == REFUSED - 1 => Reply::new(503, "busy"),
            _ => Reply::new(200, "ok"),
        });
        Ok(Self { receiver: receiver.await? })
    }

    /// Every message that came, also those that came again.
    ///
    /// # Errors
    /// When one is none.
    pub(crate) fn messages(&self) -> Result<Vec<Message>> {
        self.receiver.received().iter().map(|one| message(one.header("webhook-id"), &one.json())).collect()
    }
}

fn message(id: &str, body: &Value) -> Result<Message> {
    let id: Uuid = id.parse().with_context(|| format!("the webhook-id {id:?}"))?;
    let kind = body["type"].as_str().context("an event without a type")?.to_owned();
    let alerts = body["data"]["alerts"].as_array().context("an event without alerts")?;
    let alert = |alert: &Value| Ok(alert["id"].as_str().context("an alert without an id")?.parse::<Uuid>()?.into());
    Ok(Message { id: id.into(), kind, alerts: alerts.iter().map(alert).collect::<Result<_>>()? })
}

/// Creates a channel to the inbox, and the rules that tell it.
pub(crate) async fn create(client: &Client, shapes: &[Shape], inbox: &Inbox) -> Result<Vec<Watching>> {
    let request = json!({"name": "chaos", "kind": "webhook", "settings": {"url": inbox.receiver.url()}, "language": "en"});
    let channel = client.channel_create(&serde_json::from_value::<ChannelCreate>(request)?).await.context("channel")?.channel.id;
    let mut rules = Vec::new();
    for (failures, rule) in kinds(shapes, channel) {
        let created = client.sla_create(&rule).await.with_context(|| format!("{:?}", rule.name))?;
        rules.push(Watching { rule: created.id, failures });
    }
    Ok(rules)
}

fn kinds(shapes: &[Shape], channel: ChannelId) -> Vec<(Option<usize>, SlaUpdate)> {
    let rule = |name: &str| SlaUpdate {
        name: Some(name.to_owned()),
        severity: Some(Severity::Error),
        notify_channels: Some(vec![channel]),
        resolve_after_minutes: Some(0),
        ..SlaUpdate::default()
    };
    let queue = Some(Some(QUEUES[0].to_owned()));
    let streak = i64::try_from(STREAK).ok();
    let mut kinds = vec![
        (Some(1), SlaUpdate { alert_on_failure: Some(true), ..rule("each failure") }),
        (Some(STREAK), SlaUpdate { failure_streak: Some(streak), ..rule("failures in a row") }),
        (None, SlaUpdate { worker_gone_after_s: Some(Some(10)), ..rule("workers") }),
        (None, SlaUpdate { queue: queue.clone(), max_pending_age_s: Some(Some(5)), ..rule("age of a queue") }),
        (None, SlaUpdate { queue, max_backlog: Some(Some(20)), ..rule("backlog of a queue") }),
    ];
    for shape in shapes.iter().filter(|shape| shape.is_scheduled()) {
        let name = format!("{}, each minute", shape.name);
        let automation_id = Some(Some(shape.automation.into()));
        kinds.push((None, SlaUpdate { automation_id, expected_run_every_minutes: Some(Some(1)), ..rule(&name) }));
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_id_and_its_alerts() {
        let id = Uuid::from_u128(7);
        let body = json!({"type": "regente.alert.opened", "data": {"alerts": [{"id": Uuid::from_u128(8)}]}});
        let got = message(&id.to_string(), &body).unwrap();
        assert_eq!((got.id.get(), got.kind.as_str(), got.alerts), (id, "regente.alert.opened", [Uuid::from_u128(8).into()].into()));
        assert!(message("", &body).is_err());
        assert!(message(&id.to_string(), &Value::Null).is_err());
    }
}
