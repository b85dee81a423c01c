//! Carries out reports and queries of workers about their jobs.

use api_types::{
    CancellationResponse, FinishRequest, JobStatusResponse, LogEntry, LogRequest, LogResponse, Progress, Report, ReportBody, ReportOutcome,
    StartRequest, StartResponse, WorkerJobResponse,
};
use domain::{
    Scope,
    ids::JobId,
    job::{Caller, Status},
};
use futures_util::future::join_all;
use runtime::{Failure, WorkerCaller};
use store::jobs::{JobRow, job_get_row};
use uuid::Uuid;

use super::{
    Reports,
    parse::{lines, outcome, stored_progress},
};
use crate::{
    roster::check_holder,
    text,
    writer::{Change, Finish},
};

/// Maximum number of reports in a request.
const MOST_REPORTS: usize = 1000;

const fn caller(worker: &WorkerCaller) -> Caller {
    Caller { worker_id: None, lease_token: worker.lease_token }
}

impl Reports {
    /// Carries out several reports, each with its own outcome.
    pub(super) async fn each(&self, worker: &WorkerCaller, reports: Vec<Report>) -> Result<Vec<ReportOutcome>, Failure> {
        if reports.len() > MOST_REPORTS {
            return Err(Failure::field("", format!("must have at most {MOST_REPORTS} reports")));
        }
        Ok(join_all(reports.into_iter().map(|report| self.one(worker, report))).await)
    }

    async fn one(&self, worker: &WorkerCaller, report: Report) -> ReportOutcome {
        let Report { job_id, lease_token, start, finish } = report;
        let caller = (worker, lease_token);
        let body = match (start, finish) {
            (Some(request), None) => {
                self.start(job_id, caller, request).await.map(ReportBody::Start).map_err(|failure| failure.under("start"))
            }
            (None, Some(request)) => {
                self.finish(job_id, caller, request).await.map(ReportBody::Finish).map_err(|failure| failure.under("finish"))
            }
            _ => Err(Failure::field("start", "or `finish` is required, not both")),
        };
        match body {
            Ok(body) => ReportOutcome { status: 200, body },
            Err(failure) => {
                let problem = failure.problem();
                ReportOutcome { status: problem.status, body: ReportBody::Problem(problem) }
            }
        }
    }

    pub(super) async fn start(
        &self,
        id: JobId,
        (worker, lease_token): (&WorkerCaller, Option<Uuid>),
        request: StartRequest,
    ) -> Result<StartResponse, Failure> {
        if let Some(worker_id) = request.worker_id {
            self.roster.check_speaker(&worker.principal, worker_id).await?;
        }
        let caller = Caller { worker_id: request.worker_id, lease_token };
        let changed = self.writer.report(id, Change::Start { caller }, &worker.principal).await?;
        let lease = changed.lease.ok_or_else(|| Failure::Internal(format!("job {id} was started without a lease")))?;
        Ok(StartResponse {
            message: "job started".to_owned(),
            job_id: id,
            status: changed.status,
            lease_token: lease.token,
            lease_expires_at: lease.expires_at,
        })
    }

    pub(super) async fn log(&self, id: JobId, worker: &WorkerCaller, request: LogRequest) -> Result<LogResponse, Failure> {
        let LogRequest { entries, offset, level, message, timestamp, actionable } = request;
        let entries = match (entries, message) {
            (Some(entries), None) => entries,
            (None, Some(message)) => {
                if timestamp.is_some_and(|at| !text::is_kept_date(at)) {
                    return Err(Failure::field("timestamp", text::DATE_RULE));
                }
                vec![LogEntry { level: level.unwrap_or_default(), message, timestamp, actionable: actionable.unwrap_or(false) }]
            }
            (None, None) => return Err(Failure::field("message", "or `entries` is required")),
            (Some(_), Some(_)) => return Err(Failure::field("entries", "must not be combined with `message`")),
        };
        let lines = lines(entries, offset, (self.clock)())?;
        let changed = self.writer.report(id, Change::Log { caller: caller(worker), lines }, &worker.principal).await?;
        Ok(LogResponse { message: "log stored".to_owned(), log_id: changed.log_lines })
    }

    pub(super) async fn progress(&self, id: JobId, worker: &WorkerCaller, report: Progress) -> Result<WorkerJobResponse, Failure> {
        let change = Change::Progress { caller: caller(worker), progress: stored_progress(report, "")? };
        let changed = self.writer.report(id, change, &worker.principal).await?;
        Ok(WorkerJobResponse { message: "progress stored".to_owned(), job_id: id, status: changed.status })
    }

    pub(super) async fn finish(
        &self,
        id: JobId,
        (worker, lease_token): (&WorkerCaller, Option<Uuid>),
        mut request: FinishRequest,
    ) -> Result<WorkerJobResponse, Failure> {
        let outcome = outcome(&mut request)?;
        let end = Finish {
            caller: Caller { worker_id: None, lease_token },
            outcome,
            result: request.result.filter(|result| !result.is_null()).map(text::clean_json),
            lines: lines(request.entries, request.offset, (self.clock)())?,
            progress: request.progress.map(|report| stored_progress(report, "progress/")).transpose()?,
        };
        let changed = self.writer.report(id, Change::Finish(end), &worker.principal).await?;
        let message = if changed.late { "the job had ended before; its first result stays" } else { "job finished" };
        Ok(WorkerJobResponse { message: message.to_owned(), job_id: id, status: changed.status })
    }

    pub(super) async fn status(&self, id: JobId, worker: &WorkerCaller) -> Result<JobStatusResponse, Failure> {
        let job = self.job(id, worker).await?;
        Ok(JobStatusResponse {
            status: job.job.status,
            terminal: job.job.status.is_terminal(),
            started_at: job.started_at,
            completed_at: job.completed_at,
            last_heartbeat_at: job.last_heartbeat_at,
            cancellation_requested_at: job.cancellation_requested_at,
            retry_count: job.attempt - 1,
        })
    }

    /// A job that a worker may read: one that it holds, or one that it could take.
    async fn job(&self, id: JobId, caller: &WorkerCaller) -> Result<JobRow, Failure> {
        let job = job_get_row(&self.database, &Scope::All, id).await?.ok_or_else(|| Failure::NotFound(format!("job {id}")))?;
        caller.principal.limits.check_queues([&job.queue_name])?;
        if let Some(lease) = &job.job.lease
            && let Some(holder) = lease.worker_id
            && caller.lease_token != Some(lease.token)
        {
            check_holder(&caller.principal, holder, self.roster.find(holder).await?.as_deref())?;
        }
        Ok(job)
    }

    pub(super) async fn cancellation(&self, id: JobId, worker: &WorkerCaller) -> Result<CancellationResponse, Failure> {
        let changed = self.writer.report(id, Change::Cancellation { caller: caller(worker) }, &worker.principal).await?;
        let requested = changed.cancellation_requested || changed.status == Status::Canceled;
        Ok(CancellationResponse { cancellation_requested: requested })
    }
}
