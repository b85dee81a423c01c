//! Events of this service on the event bus. Each has `automation_id`, or the queues that it concerns (`queue_name`, `queues`): they decide who
//! may see it.

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    ids::{AutomationId, JobId, WorkerId},
    job::Status,
};
use runtime::{Clock, Events, events::Event};
use serde_json::{Map, Value};
use store::{Database, automations::Automation, dead_letters::DeadLetter};

/// A job after a commit.
pub(crate) struct JobNow {
    pub(crate) id: JobId,
    pub(crate) automation_id: AutomationId,
    pub(crate) status: Status,
    pub(crate) error_class: Option<&'static str>,
    pub(crate) worker_id: Option<WorkerId>,
    pub(crate) traceparent: Option<String>,
}

impl JobNow {
    /// It was accepted.
    pub(crate) fn created(&self, at: DateTime<Utc>) -> Event {
        self.event("job.created", at)
    }

    /// It has another status.
    pub(crate) fn changed(&self, at: DateTime<Utc>) -> Event {
        self.event(kind(self.status), at)
    }

    fn event(&self, kind: &'static str, at: DateTime<Utc>) -> Event {
        let data: [(&str, Value); 5] = [
            ("job_id", self.id.to_string().into()),
            ("automation_id", self.automation_id.get().into()),
            ("status", self.status.as_str().into()),
            ("error_class", self.error_class.unwrap_or_default().into()),
            ("worker_id", self.worker_id.map(|id| id.to_string()).unwrap_or_default().into()),
        ];
        Event { traceparent: self.traceparent.clone(), ..Event::new(kind, format!("jobs/{}", self.id), at, object(data)) }
    }
}

fn object<const N: usize>(data: [(&str, Value); N]) -> Map<String, Value> {
    data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Publishes what people and workers change, each after its commit.
#[derive(Clone)]
pub(crate) struct Announcer {
    pub(crate) events: Events,
    pub(crate) database: Database,
    pub(crate) clock: Clock,
}

impl Announcer {
    pub(crate) fn automation(&self, kind: &'static str, automation: &Automation) {
        let id = automation.id.get();
        let data = || [("automation_id", id.into()), ("name", automation.draft.name.clone().into())];
        self.publish(kind, || format!("automations/{id}"), data);
    }

    pub(crate) fn queue(&self, kind: &'static str, name: &str) {
        self.publish(kind, || format!("queues/{name}"), || [("queue_name", name.into())]);
    }

    pub(crate) fn worker(&self, kind: &'static str, id: WorkerId, name: &str, queues: &[String]) {
        let data = || [("worker_id", id.to_string().into()), ("name", name.into()), ("queues", queues.into())];
        self.publish(kind, || format!("workers/{id}"), data);
    }

    pub(crate) async fn dead_letter(&self, kind: &'static str, letter: &DeadLetter) {
        if !self.events.has_receivers() {
            return;
        }
        let job = match letter.job_id {
            Some(id) => store::jobs::job_get_row(&self.database, &Scope::All, id).await.ok().flatten(),
            None => None,
        };
        let data = || {
            let job_id = letter.job_id.map(|id| id.to_string()).unwrap_or_default();
            [
                ("dead_letter_id", Value::from(letter.id.to_string())),
                ("queue_name", letter.queue_name.clone().into()),
                ("job_id", job_id.into()),
                ("automation_id", job.map(|row| row.automation_id.get()).into()),
            ]
        };
        self.publish(kind, || format!("dead-letters/{}", letter.id), data);
    }

    fn publish<const N: usize>(
        &self,
        kind: &'static str,
        subject: impl FnOnce() -> String,
        data: impl FnOnce() -> [(&'static str, Value); N],
    ) {
        if self.events.has_receivers() {
            self.events.publish(Event::new(kind, subject(), (self.clock)(), object(data())));
        }
    }
}

const fn kind(status: Status) -> &'static str {
    match status {
        Status::Pending => "job.created",
        Status::Running => "job.started",
        Status::Paused => "job.paused",
        Status::Completed | Status::CompletedNoInvoices => "job.completed",
        Status::Failed => "job.failed",
        Status::Canceled => "job.canceled",
    }
}
