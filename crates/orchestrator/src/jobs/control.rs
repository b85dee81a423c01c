//! Cancel, pause, resume and retry, for single jobs and in bulk.

use api_types::{BulkResponse, RetryRequest};
use auth::Permitted;
use domain::{
    Fault,
    audit::Target,
    ids::JobId,
    job::{Origin, Request, Status, Trigger},
    policy::Overrides,
};
use futures_util::future::join_all;
use runtime::{Ask, Editor, Failure};
use serde_json::Value;
use store::{
    audit::audit_insert,
    jobs::{Filter, FullJob, JobRow, Payload},
};
use uuid::Uuid;

use super::{Jobs, accept::answer};
use crate::{
    notices::Notice,
    text,
    writer::{Action, Change, Control, Recording, Requested},
};

/// Maximum number of jobs in a bulk request.
const MOST_IN_BULK: u64 = 10_000;
/// Jobs per page of a bulk request.
const BULK_PAGE: u64 = 200;
/// Size of the parameters per page, in bytes.
const BULK_BYTES: u64 = 4 * 1024 * 1024;
/// Maximum length of a reason, in characters.
const MOST_REASON: usize = 1000;

/// Kind of bulk request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bulk {
    Cancel,
    Retry,
}

impl Bulk {
    /// As the audit trail has it.
    const fn action(self) -> &'static str {
        match self {
            Self::Cancel => "job.bulk_cancel",
            Self::Retry => "job.bulk_retry",
        }
    }

    /// The statuses that it applies to.
    pub(crate) const fn statuses(self) -> &'static [Status] {
        match self {
            Self::Cancel => &[Status::Pending, Status::Running, Status::Paused],
            Self::Retry => &[Status::Failed, Status::Canceled, Status::Completed, Status::CompletedNoInvoices],
        }
    }
}

/// Validates a reason.
pub(crate) fn reason(given: Option<String>) -> Result<Option<String>, Failure> {
    if given.as_ref().is_some_and(|reason| reason.chars().count() > MOST_REASON) {
        return Err(Failure::field("reason", format!("must have at most {MOST_REASON} characters")));
    }
    Ok(given.map(text::clean_line))
}

impl Jobs {
    pub(crate) async fn control(&self, by: &Editor, id: JobId, control: Control) -> Result<api_types::Job, Failure> {
        self.check_exists(by, id).await?;
        if control.action == Action::Resume
            && let event = control.event(Uuid::now_v7().into(), id, "job.resumed", (self.clock)())
            && let Some(queue) = store::jobs::job_unpark(&self.database, by.change(), &event).await?
        {
            self.notices.send(Notice::Candidates(vec![queue]));
            return self.get(by.scope(), id).await;
        }
        self.writer.change(id, Change::Control(control)).await?;
        self.get(by.scope(), id).await
    }

    /// Retries an ended job as a new job.
    pub(crate) async fn retry(&self, by: &Editor, id: JobId, request: RetryRequest) -> Result<api_types::Job, Failure> {
        self.check_exists(by, id).await?;
        let job = self.full(by.scope(), id).await?;
        self.run_again(job, request, by.name(), Recording::of(by, Requested::Retry(id))).await
    }

    async fn run_again(
        &self,
        job: FullJob,
        request: RetryRequest,
        requested_by: String,
        recording: Option<Recording>,
    ) -> Result<api_types::Job, Failure> {
        let FullJob { row, parameters } = job;
        if !row.job.status.is_terminal() {
            let status = row.job.status;
            return Err(Failure::conflict("wrong_state", format!("the job is {status}; only a job that has ended can be retried")));
        }
        let request = Request {
            parameters: request.parameters.unwrap_or(parameters),
            overrides: Overrides {
                priority: Some(request.priority.unwrap_or(row.priority)),
                timeout_s: row.terms.timeout_s,
                max_attempts: row.terms.max_attempts.and_then(|attempts| u32::try_from(attempts).ok()),
                cancel_grace_s: row.terms.cancel_grace_s,
                retry_backoff_s: row.terms.retry_backoff_s,
                ..Overrides::default()
            },
            trigger: Trigger::Retry,
            version_id: row.terms.version_id,
            environment: row.terms.environment,
            origin: Origin { requested_by: Some(requested_by), ..Origin::default() },
        };
        let ask = Ask { automation_id: row.automation_id, request, key: None };
        Ok(answer(self.accept_job(ask, Some(row.job.id), recording).await?)?.0)
    }

    /// What a bulk request on the jobs that `filter` selects would match.
    pub(crate) async fn count(&self, by: &Permitted, filter: &Filter) -> Result<BulkResponse, Failure> {
        let matched = store::jobs::job_count(&self.database, by.scope(), filter, MOST_IN_BULK + 1).await?;
        Ok(BulkResponse { dry_run: true, matched, more: matched > MOST_IN_BULK, ..BulkResponse::default() })
    }

    /// Cancels or retries the jobs that `filter` selects, newest first. One entry of the audit trail says what was `asked` for, before the first
    /// of them changes; the jobs' events, and the retries, name who asked.
    pub(crate) async fn in_bulk(
        &self,
        by: &Editor,
        (bulk, asked): (Bulk, Value),
        filter: Filter,
        control: &Control,
    ) -> Result<BulkResponse, Failure> {
        let mut response = BulkResponse { dry_run: false, ..self.count(by, &filter).await? };
        let mut page = Filter { limit: BULK_PAGE, ..filter };
        while response.done + response.refused < MOST_IN_BULK {
            let found = store::jobs::job_list_page(&self.database, by.scope(), &page, Payload::Parameters, BULK_BYTES).await?;
            let rows: Vec<JobRow> = found.rows.into_iter().map(|(row, _)| row).collect();
            let Some(last) = rows.last() else { break };
            if page.after.is_none() {
                let entry = by.change().entry(bulk.action(), Target::new("job", "several"), None, Some(asked.clone()));
                audit_insert(&self.database, &entry, (self.clock)()).await?;
            }
            page.after = Some(last.job.id);
            let outcomes = match bulk {
                Bulk::Cancel => join_all(rows.iter().map(|row| self.cancel_one(row.job.id, control))).await,
                Bulk::Retry => {
                    let jobs = store::jobs::job_load_payloads(&self.database, rows, Payload::Parameters).await?;
                    join_all(jobs.into_iter().map(|job| self.retry_one(job, &control.by))).await
                }
            };
            for outcome in outcomes {
                match outcome {
                    Ok(()) => response.done += 1,
                    Err(Failure::Conflict { .. } | Failure::NotFound(_) | Failure::Invalid(_)) => response.refused += 1,
                    Err(failure) => return Err(failure),
                }
            }
        }
        Ok(response)
    }

    async fn cancel_one(&self, id: JobId, control: &Control) -> Result<(), Failure> {
        let control = Control { change: None, ..control.clone() };
        self.writer.change(id, Change::Control(control)).await.map(drop)
    }

    async fn retry_one(&self, job: FullJob, by: &str) -> Result<(), Failure> {
        self.run_again(job, RetryRequest::default(), by.to_owned(), None).await.map(drop)
    }
}

/// Requires a condition besides the status, so that a mistake cannot affect every job.
pub(crate) fn check_bulk(filter: &Filter) -> Result<(), Failure> {
    let none = filter.automation_id.is_none()
        && filter.domain.is_none()
        && filter.queue_name.is_none()
        && filter.trigger.is_none()
        && filter.error_class.is_none()
        && filter.created_from.is_none()
        && filter.created_to.is_none()
        && filter.ids.is_empty();
    if none {
        let message = "must be there, or another condition beside `status`: automation_id, domain, queue_name, trigger, error_class, created_from, \
                       created_to";
        return Err(Failure::Invalid(vec![Fault::new("ids", message)]));
    }
    if filter.ids.len() > 1000 {
        return Err(Failure::field("ids", "must name at most 1000 jobs".to_owned()));
    }
    Ok(())
}
