use actix_web::{
    HttpResponse, get, post,
    web::{Data, Path},
};
use api_types::{
    CancellationResponse, FinishRequest, JobStatusResponse, LogEntry, LogRequest, LogResponse, Problem, Progress, StartRequest,
    StartResponse, WorkerJobResponse,
};
use chrono::{DateTime, Utc};
use domain::{
    Fault,
    ids::JobId,
    job::{Caller, ErrorClass, Failure as JobFailure, Outcome, Status},
};
use runtime::{Failure, JsonBody, OptionalJsonBody, WorkerCaller};
use serde_json::Value;
use store::job_logs::Line;
use uuid::Uuid;

use crate::{
    Orchestrator, text,
    writer::{Change, Finish, Lines},
};

/// Lines that a request may carry.
const MOST_LINES: usize = 10_000;
/// Characters of an error message that are kept.
const MOST_MESSAGE: usize = 8192;

const fn caller(worker: &WorkerCaller) -> Caller {
    Caller { worker_id: None, lease_token: worker.lease_token }
}

/// Starts a job and returns its lease.
///
/// The body may be empty. Sent again by the holder it returns the same lease.
#[utoipa::path(tag = "worker", params(api_types::params::JobId, api_types::params::LeaseToken), request_body = Option<StartRequest>, responses(
    (status = 200, body = StartResponse), (status = 409, description = "Ended, or held by another worker", body = Problem)))]
#[post("/api/v1/worker/jobs/{id}/start")]
pub(crate) async fn start(
    worker: WorkerCaller,
    hub: Data<Orchestrator>,
    id: Path<JobId>,
    body: OptionalJsonBody<StartRequest>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(started(&hub, *id, (&worker, worker.lease_token), body.0).await?))
}

pub(crate) async fn started(
    hub: &Orchestrator,
    id: JobId,
    (worker, lease_token): (&WorkerCaller, Option<Uuid>),
    request: StartRequest,
) -> Result<StartResponse, Failure> {
    if let Some(worker_id) = request.worker_id {
        hub.check_speaker(&worker.principal, worker_id).await?;
    }
    let caller = Caller { worker_id: request.worker_id, lease_token };
    let changed = hub.writer.report(id, Change::Start { caller }, &worker.principal).await?;
    let lease = changed.lease.ok_or_else(|| Failure::Internal(format!("job {id} was started without a lease")))?;
    Ok(StartResponse {
        message: "job started".to_owned(),
        job_id: id,
        status: changed.status,
        lease_token: lease.token,
        lease_expires_at: lease.expires_at,
    })
}

/// Appends lines to a job's log: one, or many as `entries`.
///
/// Past the hub's limit for one log, lines are accepted and counted, but only 1,000 errors and the last 1,000 lines of `finish` are stored, with a
/// line that says how many are missing. `log_id` is the number of the last line stored.
#[utoipa::path(tag = "worker", params(api_types::params::JobId, api_types::params::LeaseToken), request_body = LogRequest, responses(
    (status = 201, body = LogResponse), (status = 409, description = "The lease is another's", body = Problem)))]
#[post("/api/v1/worker/jobs/{id}/log")]
pub(crate) async fn log(
    worker: WorkerCaller,
    hub: Data<Orchestrator>,
    id: Path<JobId>,
    body: JsonBody<LogRequest>,
) -> Result<HttpResponse, Failure> {
    let LogRequest { entries, offset, level, message, timestamp, actionable } = body.0;
    let entries = match (entries, message) {
        (Some(entries), None) => entries,
        (None, Some(message)) => {
            if timestamp.is_some_and(|at| !text::is_kept_date(at)) {
                return Err(Failure::field("timestamp", text::DATE_RULE));
            }
            vec![LogEntry { level: level.unwrap_or_default(), message, timestamp, actionable: actionable.unwrap_or(false) }]
        }
        (None, None) => return Err(Failure::field("message", "must be there, or `entries`")),
        (Some(_), Some(_)) => return Err(Failure::field("entries", "must not be there together with `message`")),
    };
    let lines = lines(entries, offset, (hub.clock)())?;
    let changed = hub.writer.report(*id, Change::Log { caller: caller(&worker), lines }, &worker.principal).await?;
    Ok(HttpResponse::Created().json(LogResponse { message: "log stored".to_owned(), log_id: changed.log_lines }))
}

fn lines(entries: Vec<LogEntry>, offset: Option<i64>, now: DateTime<Utc>) -> Result<Lines, Failure> {
    if entries.len() > MOST_LINES {
        return Err(Failure::field("entries", format!("must have at most {MOST_LINES} lines")));
    }
    if offset.is_some_and(|offset| !(0..=1 << 53).contains(&offset)) {
        return Err(Failure::field("offset", "must not be negative or absurd"));
    }
    let odd = |entry: &LogEntry| entry.timestamp.is_some_and(|at| !text::is_kept_date(at));
    if let Some(nth) = entries.iter().position(odd) {
        return Err(Failure::field(&format!("entries/{nth}/timestamp"), text::DATE_RULE));
    }
    let line = |entry: LogEntry| Line {
        timestamp: entry.timestamp.unwrap_or(now),
        level: entry.level,
        message: text::clean_line(entry.message),
        actionable: entry.actionable,
    };
    Ok(Lines { lines: entries.into_iter().map(line).collect(), offset })
}

/// Reports how far a job is.
#[utoipa::path(tag = "worker", params(api_types::params::JobId, api_types::params::LeaseToken), request_body = Progress, responses(
    (status = 200, body = WorkerJobResponse), (status = 409, description = "The lease is another's", body = Problem)))]
#[post("/api/v1/worker/jobs/{id}/progress")]
pub(crate) async fn progress(
    worker: WorkerCaller,
    hub: Data<Orchestrator>,
    id: Path<JobId>,
    body: JsonBody<Progress>,
) -> Result<HttpResponse, Failure> {
    let report = stored_progress(body.0, "")?;
    let changed = hub.writer.report(*id, Change::Progress { caller: caller(&worker), progress: report }, &worker.principal).await?;
    Ok(HttpResponse::Ok().json(WorkerJobResponse { message: "progress stored".to_owned(), job_id: *id, status: changed.status }))
}

/// `under` is where the report stands in the body: empty, or a path with a slash at its end.
fn stored_progress(report: Progress, under: &str) -> Result<Value, Failure> {
    let mut faults = Vec::new();
    if report.percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        faults.push(Fault::new(format!("{under}percent"), "must be 0 to 100"));
    }
    for (field, value) in [("step", report.step), ("total_steps", report.total_steps)] {
        if value.is_some_and(|value| value < 0) {
            faults.push(Fault::new(format!("{under}{field}"), "must not be negative"));
        }
    }
    if !faults.is_empty() {
        return Err(Failure::Invalid(faults));
    }
    let message = report.message.map(|message| short(text::clean_line(message)));
    serde_json::to_value(Progress { message, ..report }).map_err(|error| Failure::Internal(error.to_string()))
}

fn short(message: String) -> String {
    if message.len() <= MOST_MESSAGE { message } else { format!("{} …", &message[..message.floor_char_boundary(MOST_MESSAGE)]) }
}

/// Ends a job.
///
/// The first result counts; a later one is kept as an event. A worker without a lease may end a job whose `start` never reached the hub. A
/// `canceled` that nobody asked for becomes `failed` (`KILLED`), and the retry policy decides.
#[utoipa::path(tag = "worker", params(api_types::params::JobId, api_types::params::LeaseToken), request_body = FinishRequest, responses(
    (status = 200, body = WorkerJobResponse), (status = 409, description = "The lease is another's, or never was", body = Problem)))]
#[post("/api/v1/worker/jobs/{id}/finish")]
pub(crate) async fn finish(
    worker: WorkerCaller,
    hub: Data<Orchestrator>,
    id: Path<JobId>,
    body: JsonBody<FinishRequest>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(finished(&hub, *id, (&worker, worker.lease_token), body.0).await?))
}

pub(crate) async fn finished(
    hub: &Orchestrator,
    id: JobId,
    (worker, lease_token): (&WorkerCaller, Option<Uuid>),
    mut request: FinishRequest,
) -> Result<WorkerJobResponse, Failure> {
    let outcome = outcome(&mut request)?;
    let end = Finish {
        caller: Caller { worker_id: None, lease_token },
        outcome,
        result: request.result.filter(|result| !result.is_null()).map(text::clean_json),
        lines: lines(request.entries, request.offset, (hub.clock)())?,
        progress: request.progress.map(|report| stored_progress(report, "progress/")).transpose()?,
    };
    let changed = hub.writer.report(id, Change::Finish(end), &worker.principal).await?;
    let message = if changed.late { "the job had ended before; its first result stays" } else { "job finished" };
    Ok(WorkerJobResponse { message: message.to_owned(), job_id: id, status: changed.status })
}

fn outcome(request: &mut FinishRequest) -> Result<Outcome, Failure> {
    match request.status {
        Status::Completed => Ok(Outcome::Completed),
        Status::CompletedNoInvoices => Ok(Outcome::CompletedNoInvoices),
        Status::Canceled => Ok(Outcome::Canceled),
        Status::Failed => {
            let told = request.error_message.take();
            let in_class = || request.result.as_ref().and_then(ErrorClass::of_result);
            let in_result = || request.result.as_ref()?.get("error")?.as_str().map(str::to_owned);
            let message = told.or_else(in_result).unwrap_or_else(|| "the robot reported a failure without saying why".to_owned());
            Ok(Outcome::Failed(JobFailure {
                class: request.error_class.or_else(in_class).unwrap_or(ErrorClass::RobotError),
                message: short(text::clean_line(message)),
            }))
        }
        Status::Pending | Status::Running | Status::Paused => {
            Err(Failure::field("status", "must be completed, completed_no_invoices, failed or canceled"))
        }
    }
}

/// Returns the status of a job.
#[utoipa::path(tag = "worker", params(api_types::params::JobId), responses(
    (status = 200, body = JobStatusResponse)))]
#[get("/api/v1/worker/jobs/{id}/status")]
pub(crate) async fn status(worker: WorkerCaller, hub: Data<Orchestrator>, id: Path<JobId>) -> Result<HttpResponse, Failure> {
    let job = hub.job_for_worker(&worker, *id).await?;
    Ok(HttpResponse::Ok().json(JobStatusResponse {
        status: job.job.status,
        terminal: job.job.status.is_terminal(),
        started_at: job.started_at,
        completed_at: job.completed_at,
        last_heartbeat_at: job.last_heartbeat_at,
        cancellation_requested_at: job.cancellation_requested_at,
        retry_count: job.attempt - 1,
    }))
}

/// Tells whether somebody asked to cancel the job.
///
/// The request counts as a heartbeat.
#[utoipa::path(tag = "worker", params(api_types::params::JobId), responses(
    (status = 200, body = CancellationResponse), (status = 409, description = "The lease is another's", body = Problem)))]
#[get("/api/v1/worker/jobs/{id}/cancellation")]
pub(crate) async fn cancellation(worker: WorkerCaller, hub: Data<Orchestrator>, id: Path<JobId>) -> Result<HttpResponse, Failure> {
    let changed = hub.writer.report(*id, Change::Cancellation { caller: caller(&worker) }, &worker.principal).await?;
    let requested = changed.cancellation_requested || changed.status == Status::Canceled;
    Ok(HttpResponse::Ok().json(CancellationResponse { cancellation_requested: requested }))
}
