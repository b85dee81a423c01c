//! Events of this service on the event bus.

use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, JobId, WorkerId},
    job::Status,
};
use runtime::events::Event;
use serde_json::{Map, Value};

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
        let data: Map<String, Value> = data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Event { traceparent: self.traceparent.clone(), ..Event::new(kind, format!("jobs/{}", self.id), at, data) }
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
