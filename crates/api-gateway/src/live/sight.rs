//! Who may see an event: whoever may read what it is about, where it is.

use std::{collections::BTreeMap, sync::Arc};

use auth::Principal;
use domain::{
    Scope,
    ids::{AutomationId, DomainId, JobId},
    permission::Permission,
};
use runtime::events::Event;
use serde_json::Value;
use store::automations::Placed;

/// Each noun of events, with the permission to read it. Events of others are for nobody.
const NOUNS: [(&str, Permission); 11] = [
    ("job", Permission::RunRead),
    ("automation", Permission::RobotRead),
    ("calendar", Permission::RobotRead),
    ("schedule", Permission::RobotRead),
    ("chain", Permission::RobotRead),
    ("queue", Permission::RobotRead),
    ("worker", Permission::WorkerRead),
    ("dead_letter", Permission::RunRead),
    ("hook", Permission::RunRead),
    // Of no automation: for those who may read all runs.
    ("alert", Permission::RunRead),
    // Of a queue or everything: for those who may read all automations.
    ("sla", Permission::RobotRead),
];

/// What an event is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Subject {
    pub(super) kind: String,
    pub(super) job: Option<JobId>,
    pub(super) automation: Option<AutomationId>,
    /// The whole domain that it is about, if it is not about an automation.
    pub(super) domain: Option<DomainId>,
    /// The slug of that domain.
    pub(super) domain_slug: Option<String>,
    /// The queues that it concerns, if it is not about an automation.
    pub(super) queues: Vec<String>,
    /// The automations that it concerns: where they are decides who may see it.
    pub(super) places: Vec<Arc<Placed>>,
}

impl Subject {
    /// What an event says of itself; the places are still to be looked up.
    pub(super) fn of(event: &Event) -> Self {
        let text = |key: &str| event.data.get(key).and_then(Value::as_str);
        let automation = event.data.get("automation_id").and_then(Value::as_i64).and_then(|id| i32::try_from(id).ok());
        let several = event.data.get("queues").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let domain = text("domain_id").filter(|_| automation.is_none()).and_then(|id| id.parse().ok());
        let queues = match automation {
            Some(_) => Vec::new(),
            None => text("queue_name").into_iter().chain(several).map(str::to_owned).collect(),
        };
        Self {
            kind: event.kind.to_string(),
            job: text("job_id").and_then(|id| id.parse().ok()),
            automation: automation.map(AutomationId::new),
            domain,
            domain_slug: None,
            queues,
            places: Vec::new(),
        }
    }

    /// Takes from these the places of what it concerns, and the slug of its domain.
    pub(super) fn place(&mut self, all: &[Arc<Placed>], slugs: &BTreeMap<DomainId, String>) {
        let concerns = |placed: &&Arc<Placed>| match self.automation {
            Some(id) => placed.id == id,
            None => self.queues.contains(&placed.queue_name),
        };
        self.places = all.iter().filter(concerns).cloned().collect();
        self.domain_slug = self.domain.and_then(|id| slugs.get(&id).cloned());
    }
}

/// Whether this event may be seen.
pub(super) fn sees(principal: &Principal, subject: &Subject) -> bool {
    let noun = subject.kind.split('.').next().unwrap_or_default();
    let Some((_, permission)) = NOUNS.iter().find(|(name, _)| *name == noun) else { return false };
    match principal.scope_of(*permission) {
        Scope::All => true,
        // Calendars are the hub's: who may read any automation reads all of them.
        scope if noun == "calendar" => *scope != Scope::NOTHING,
        scope if subject.domain.is_some() => scope.has_domain(subject.domain),
        scope => subject.places.iter().any(|placed| scope.has(&placed.place())),
    }
}

#[cfg(test)]
mod tests {
    use auth::Actor;
    use chrono::DateTime;
    use domain::permission::{Grant, Right, Role, Where};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn subject(kind: &'static str, data: Value) -> Subject {
        let Value::Object(data) = data else { unreachable!() };
        let mut subject = Subject::of(&Event::new(kind, String::new(), DateTime::UNIX_EPOCH, data));
        let placed = |id: i32, queue: &str, domain: u128| Placed {
            id: id.into(),
            queue_name: queue.to_owned(),
            domain_id: Some(Uuid::from_u128(domain).into()),
            domain: None,
            labels: vec!["nfe".to_owned()],
        };
        subject.place(&[placed(7, "q", 1), placed(8, "q", 2), placed(9, "r", 2)].map(Arc::new), &BTreeMap::new());
        subject
    }

    fn seen(grants: &[Grant]) -> Vec<String> {
        let principal = Principal::of_grants(Actor::User("ana".to_owned()), grants);
        let all = [
            subject("job.failed", json!({"job_id": Uuid::nil(), "automation_id": 7, "queue_name": "r"})),
            subject("automation.paused", json!({"automation_id": 9})),
            subject("schedule.fired", json!({"schedule_id": Uuid::nil(), "job_id": Uuid::nil(), "automation_id": 9})),
            subject("queue.paused", json!({"queue_name": "q"})),
            subject("worker.lost", json!({"queues": ["x", "r"]})),
            subject("dead_letter.created", json!({"queue_name": "r", "automation_id": null})),
            subject("alert.opened", json!({"alert_id": Uuid::nil(), "automation_id": 9})),
            subject("worker.registered", json!({"queues": ["x"]})),
            subject("alert.resolved", json!({"alert_id": Uuid::nil(), "automation_id": null})),
            subject("sla.created", json!({"automation_id": 9, "domain_id": null, "queue": null})),
            subject("sla.updated", json!({"automation_id": null, "domain_id": Uuid::from_u128(2), "queue": null})),
            subject("sla.deleted", json!({"automation_id": null, "domain_id": null, "queue": "q"})),
            subject("calendar.changed", json!({"calendar_id": Uuid::nil()})),
            subject("secret.read", json!({"automation_id": 7})),
        ];
        all.iter().filter(|subject| sees(&principal, subject)).map(|subject| subject.kind.clone()).collect()
    }

    #[test]
    fn an_event_is_for_those_who_may_read_what_it_is_about() {
        let viewer = |place| Grant { right: Right::Role(Role::Viewer), place };
        let domain = |nth| Where::Domain(Uuid::from_u128(nth).into());
        let placed =
            ["job.failed", "automation.paused", "schedule.fired", "queue.paused", "worker.lost", "dead_letter.created", "alert.opened"];
        let everywhere = ["worker.registered", "alert.resolved", "sla.created", "sla.updated", "sla.deleted"];
        let with_rule = |kinds: &[&'static str]| [kinds, &["sla.created"]].concat();
        let with = |kinds: &[&str]| kinds.iter().copied().chain(["calendar.changed"]).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(seen(&[viewer(Where::Everywhere)]), with(&[&placed[..], &everywhere].concat()));
        assert_eq!(seen(&[viewer(Where::Label("nfe".to_owned()))]), with(&with_rule(&placed)));
        assert_eq!(seen(&[viewer(domain(1))]), with(&["job.failed", "queue.paused"]));
        assert_eq!(seen(&[viewer(domain(2))]), with(&[&with_rule(&placed[1..])[..], &["sla.updated"]].concat()));
        assert_eq!(seen(&[viewer(Where::Automation(7.into()))]), with(&["job.failed", "queue.paused"]));
        let runs = Grant { right: Right::Permission(Permission::RunRead), place: domain(1) };
        assert_eq!(seen(&[runs]), ["job.failed"]);
        assert_eq!(seen(&[]), [""; 0]);
    }
}
