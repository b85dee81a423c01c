use actix_web::{
    HttpResponse, get, post,
    web::{Data, Path},
};
use api_types::{
    CancellationResponse, FinishRequest, JobStatusResponse, LogRequest, LogResponse, Problem, Progress, Report, ReportOutcome,
    StartRequest, StartResponse, WorkerJobResponse,
};
use domain::ids::JobId;
use runtime::{Failure, JsonBody, OptionalJsonBody, WorkerCaller};

use super::Reports;

/// Sends several reports at once.
///
/// Each report has its own outcome, in the order of the request; a refused one does not affect the others.
#[utoipa::path(tag = "worker", extensions(("x-permission" = json!("worker.work"))), request_body = Vec<Report>, responses(
    (status = 200, body = Vec<ReportOutcome>), (status = 422, description = "The request cannot be parsed; no report was carried out", body = Problem)))]
#[post("/api/v1/worker/reports")]
pub(crate) async fn reports(worker: WorkerCaller, use_cases: Data<Reports>, body: JsonBody<Vec<Report>>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(use_cases.each(&worker, body.0).await?))
}

/// Starts a job and returns its lease.
///
/// The body may be empty. A repeated request of the holder returns the same lease.
#[utoipa::path(tag = "worker", extensions(("x-permission" = json!("worker.work"))), params(api_types::params::JobId, api_types::params::LeaseToken), request_body = Option<StartRequest>, responses(
    (status = 200, body = StartResponse), (status = 409, description = "Ended, or held by another worker", body = Problem)))]
#[post("/api/v1/worker/jobs/{id}/start")]
pub(crate) async fn start(
    worker: WorkerCaller,
    use_cases: Data<Reports>,
    id: Path<JobId>,
    body: OptionalJsonBody<StartRequest>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(use_cases.start(*id, (&worker, worker.lease_token), body.0).await?))
}

/// Appends lines to a job's log: one, or many as `entries`.
///
/// Beyond the hub's limit for one log, lines are accepted and counted, but only 1000 errors and the last 1000 lines of `finish` are stored,
/// with a line that says how many are missing. `log_id` is the number of the last stored line.
#[utoipa::path(tag = "worker", extensions(("x-permission" = json!("worker.work"))), params(api_types::params::JobId, api_types::params::LeaseToken), request_body = LogRequest, responses(
    (status = 201, body = LogResponse), (status = 409, description = "The lease token is not current", body = Problem)))]
#[post("/api/v1/worker/jobs/{id}/log")]
pub(crate) async fn log(
    worker: WorkerCaller,
    use_cases: Data<Reports>,
    id: Path<JobId>,
    body: JsonBody<LogRequest>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Created().json(use_cases.log(*id, &worker, body.0).await?))
}

/// Reports the progress of a job.
#[utoipa::path(tag = "worker", extensions(("x-permission" = json!("worker.work"))), params(api_types::params::JobId, api_types::params::LeaseToken), request_body = Progress, responses(
    (status = 200, body = WorkerJobResponse), (status = 409, description = "The lease token is not current", body = Problem)))]
#[post("/api/v1/worker/jobs/{id}/progress")]
pub(crate) async fn progress(
    worker: WorkerCaller,
    use_cases: Data<Reports>,
    id: Path<JobId>,
    body: JsonBody<Progress>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(use_cases.progress(*id, &worker, body.0).await?))
}

/// Ends a job.
///
/// The first result counts; a later one is recorded as an event. A worker without a lease may end a job whose `start` did not reach the
/// hub. `canceled` without a cancel request becomes `failed` (`KILLED`), and the retry policy decides.
#[utoipa::path(tag = "worker", extensions(("x-permission" = json!("worker.work"))), params(api_types::params::JobId, api_types::params::LeaseToken), request_body = FinishRequest, responses(
    (status = 200, body = WorkerJobResponse), (status = 409, description = "The lease token is not current, or was never issued", body = Problem)))]
#[post("/api/v1/worker/jobs/{id}/finish")]
pub(crate) async fn finish(
    worker: WorkerCaller,
    use_cases: Data<Reports>,
    id: Path<JobId>,
    body: JsonBody<FinishRequest>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(use_cases.finish(*id, (&worker, worker.lease_token), body.0).await?))
}

/// Returns the status of a job.
#[utoipa::path(tag = "worker", extensions(("x-permission" = json!("worker.work"))), params(api_types::params::JobId), responses(
    (status = 200, body = JobStatusResponse)))]
#[get("/api/v1/worker/jobs/{id}/status")]
pub(crate) async fn status(worker: WorkerCaller, use_cases: Data<Reports>, id: Path<JobId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(use_cases.status(*id, &worker).await?))
}

/// Returns whether the cancellation of the job was requested.
///
/// The request counts as a heartbeat.
#[utoipa::path(tag = "worker", extensions(("x-permission" = json!("worker.work"))), params(api_types::params::JobId), responses(
    (status = 200, body = CancellationResponse), (status = 409, description = "The lease token is not current", body = Problem)))]
#[get("/api/v1/worker/jobs/{id}/cancellation")]
pub(crate) async fn cancellation(worker: WorkerCaller, use_cases: Data<Reports>, id: Path<JobId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(use_cases.cancellation(*id, &worker).await?))
}
