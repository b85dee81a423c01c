//! Reads jobs, their logs and their events.

use std::collections::HashMap;

use api_types::{Job, JobEvent, LogLine};
use auth::Permitted;
use chrono::{DateTime, Utc};
use domain::{
    Scope,
    ids::{JobEventId, JobId},
    permission::Permission,
    waiting::WaitingReason,
};
use runtime::{Failure, reach};
use store::{
    job_logs::{LinePage, LinePart, line_list, line_page},
    jobs::{Filter, FullJob, JobPage, JobRow, Payload},
};

use super::{Jobs, convert, waiting::with_reason};

/// Maximum size of a page's payload or log lines in bytes, unless a single item has more.
const PAGE_BYTES: u32 = 4 * 1024 * 1024;

impl Jobs {
    pub(super) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// The rows of a page, whose payloads are read in parts with [`Jobs::load`], and the waiting reasons of pending jobs.
    pub(crate) async fn list(
        &self,
        by: &Permitted,
        filter: &Filter,
        payload: Payload,
    ) -> Result<(JobPage, HashMap<JobId, WaitingReason>), Failure> {
        let found = store::jobs::job_list_page(&self.database, by.scope(), filter, payload, PAGE_BYTES.into()).await?;
        let reasons = self.reasons.of(by.scope(), &found.rows.iter().map(|(row, _)| row).collect::<Vec<_>>()).await?;
        Ok((found, reasons))
    }

    pub(super) async fn load(
        &self,
        rows: Vec<JobRow>,
        payload: Payload,
        reasons: &HashMap<JobId, WaitingReason>,
    ) -> Result<Vec<Job>, Failure> {
        let jobs = store::jobs::job_load_payloads(&self.database, rows, payload).await?;
        Ok(jobs.into_iter().map(|job| with_reason(job, reasons)).collect())
    }

    pub(super) async fn get(&self, scope: &Scope, id: JobId) -> Result<Job, Failure> {
        Ok(convert::job(self.full(scope, id).await?))
    }

    /// A job with its waiting reason, if it is pending.
    pub(crate) async fn shown(&self, by: &Permitted, id: JobId) -> Result<Job, Failure> {
        let job = self.full(by.scope(), id).await?;
        let reasons = self.reasons.of(by.scope(), &[&job.row]).await?;
        Ok(with_reason(job, &reasons))
    }

    pub(super) async fn full(&self, scope: &Scope, id: JobId) -> Result<FullJob, Failure> {
        store::jobs::job_get(&self.database, scope, id).await?.ok_or_else(|| not_found(id))
    }

    /// Checks that the job exists, where the caller may do what the request does.
    pub(crate) async fn check_exists(&self, by: &Permitted, id: JobId) -> Result<(), Failure> {
        let find = async |scope: &Scope| Ok(store::jobs::job_get_row(&self.database, scope, id).await?.map(drop));
        reach(by, Permission::RunRead, format_args!("job {id}"), find).await
    }

    /// The positions of a page's lines, for [`Jobs::log_lines`].
    pub(crate) async fn log_page(&self, by: &Permitted, id: JobId, after: i64, limit: usize) -> Result<LinePage, Failure> {
        self.check_exists(by, id).await?;
        Ok(line_page(&self.database, id, after, limit, PAGE_BYTES as usize).await?)
    }

    pub(super) async fn log_lines(&self, id: JobId, parts: &[LinePart]) -> Result<Vec<LogLine>, Failure> {
        Ok(line_list(&self.database, id, parts).await?.into_iter().map(convert::log_line).collect())
    }

    pub(crate) async fn events(&self, by: &Permitted, id: JobId, after: Option<JobEventId>, limit: u64) -> Result<Vec<JobEvent>, Failure> {
        self.check_exists(by, id).await?;
        let events = store::job_events::job_event_list(&self.database, id, after, limit).await?;
        Ok(events.into_iter().map(convert::event).collect())
    }
}

fn not_found(id: JobId) -> Failure {
    Failure::NotFound(format!("job {id}"))
}
