//! Accepting a job.

use domain::{
    automation::{PRIORITY, priority_rule},
    job::Trigger,
};
use runtime::Failure;
use serde_json::{Map, Value};
use store::jobs::{NewJob, Terms};
use uuid::Uuid;

use crate::{Orchestrator, automations, convert};

/// Longest idempotency key, in bytes.
const MAX_KEY: usize = 255;

/// A request to run an automation.
pub(crate) struct Execution {
    pub(crate) automation_id: i32,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) priority: Option<i32>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) trigger: Trigger,
    /// The job that this one runs again.
    pub(crate) retry_of: Option<Uuid>,
    pub(crate) terms: Terms,
}

impl Orchestrator {
    /// Accepts a job: when this returns, it is in the database. The flag says that it had been accepted before under the same key.
    pub(crate) async fn execute(&self, execution: Execution) -> Result<(api_types::Job, bool), Failure> {
        let id = execution.automation_id;
        let entry = self.catalog.get(id).await?.ok_or_else(|| automations::not_found(id))?;
        if entry.automation.archived_at.is_some() {
            return Err(Failure::conflict("automation_archived", format!("automation {id} is archived")));
        }
        if execution.priority.is_some_and(|priority| !PRIORITY.contains(&priority)) {
            return Err(Failure::BadQuery(vec![domain::Fault::new("priority", priority_rule())]));
        }
        if execution.idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > MAX_KEY) {
            return Err(Failure::BadRequest(format!("the header Idempotency-Key must have 1 to {MAX_KEY} bytes")));
        }
        let draft = &entry.automation.draft;
        let mut parameters = draft.default_params.clone();
        parameters.extend(execution.parameters);
        if let Some(fault) = automations::nul_fault("", &parameters) {
            return Err(Failure::Invalid(vec![fault]));
        }
        entry.check(&parameters)?;
        let new = NewJob {
            id: Uuid::now_v7(),
            automation_id: id,
            queue_name: draft.queue_name.clone(),
            trigger: execution.trigger,
            priority: execution.priority.unwrap_or(draft.priority),
            parameters,
            attempt: 1,
            retry_of: execution.retry_of,
            idempotency_key: execution.idempotency_key,
            created_at: (self.clock)(),
            not_before: None,
            dispatch_started_at: None,
            terms: execution.terms,
        };
        let inserted = self.writer.insert(new.clone()).await?;
        if inserted.replayed {
            return Ok((self.job(inserted.id).await?, true));
        }
        Ok((convert::new_job(new), false))
    }

    pub(crate) async fn job(&self, id: Uuid) -> Result<api_types::Job, Failure> {
        let job = store::jobs::job_get(&self.database, id).await?;
        job.map(convert::job).ok_or_else(|| Failure::NotFound(format!("job {id}")))
    }
}
