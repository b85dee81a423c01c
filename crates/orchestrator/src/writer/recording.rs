//! What the audit trail says of jobs that people request. Reports of workers, and jobs that services request, are told by the jobs
//! and their events.

use auth::Actor;
use domain::{
    audit::{Change, Entry, Target},
    ids::{DeadLetterId, JobId},
};
use runtime::Editor;
use serde_json::json;
use store::{dead_letters::dead_letter_target, jobs::NewJob};

/// What a request for a job is recorded with.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    change: Change,
    request: Requested,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requested {
    /// A job.
    Job,
    /// A retry of this one.
    Retry(JobId),
    /// A replay of this dead letter.
    Replay(DeadLetterId),
}

impl Recording {
    /// The recording of a request; `None` for a service, which asks for others.
    pub(crate) fn of(by: &Editor, request: Requested) -> Option<Self> {
        let asks_for_others = matches!(by.actor, Actor::Service(_));
        (!asks_for_others).then(|| Self { change: by.change().clone(), request })
    }

    /// The entry about the job `id`, which the request for `new` led to.
    pub(super) fn entry(&self, new: &NewJob, id: JobId) -> Entry {
        let priority = new.priority;
        let (action, target, after) = match self.request {
            Requested::Job => {
                let after = json!({"automation_id": new.automation_id, "priority": priority, "trigger": new.trigger});
                ("job.create", Target::new("job", id), after)
            }
            Requested::Retry(of) => ("job.retry", Target::new("job", of), json!({"new_job_id": id, "priority": priority})),
            Requested::Replay(letter) => ("dead_letter.replay", dead_letter_target(letter), json!({"new_job_id": id})),
        };
        self.change.entry(action, target, None, Some(after))
    }
}
