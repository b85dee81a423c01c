use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    post,
    web::{Data, Path},
};
use api_types::{
    IDEMPOTENCY_KEY_HEADER, IDEMPOTENCY_REPLAYED_HEADER, Job, PauseRequest, Problem, Schedule, ScheduleBulkResponse, SchedulePauseRequest,
    ScheduleResumeRequest,
};
use auth::need::{RobotRun, RunCancel};
use domain::{ids::ScheduleId, job::is_traceparent};
use runtime::{Changing, Failure, JsonBody, OptionalJsonBody};

use crate::schedules::Schedules;

/// Runs a schedule now.
///
/// The job has its parameters, with the dates of now, and its settings; it is linked to the schedule. It does not count as one of its fires. Answers
/// 202 once the job is stored.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("robot.run"))), params(api_types::params::ScheduleId,
    api_types::params::IdempotencyKey, api_types::params::Traceparent), responses(
    (status = 202, body = Job, headers(("Idempotency-Replayed" = bool, description = "`true`: the job existed before the request"))),
    (status = 409, description = "The automation is archived, or its overlap rule skips the request: `job_id` is the conflicting job", body = Problem),
    (status = 422, description = "The parameters do not match the automation's schema", body = Problem)))]
#[post("/api/v1/schedules/{id}/run")]
pub(crate) async fn run(
    caller: Changing<RobotRun>,
    request: HttpRequest,
    schedules: Data<Schedules>,
    id: Path<ScheduleId>,
) -> Result<HttpResponse, Failure> {
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().map(str::to_owned));
    let bad = |_| Failure::BadRequest("the header Idempotency-Key must be ASCII".to_owned());
    let key = text(IDEMPOTENCY_KEY_HEADER).transpose().map_err(bad)?;
    let traceparent = text("traceparent").and_then(Result::ok).filter(|trace| is_traceparent(trace));
    let (job, existed) = schedules.run(&caller, *id, (key, traceparent)).await?;
    let mut response = HttpResponse::Accepted();
    response.insert_header((header::LOCATION, format!("/api/v1/jobs/{}", job.id)));
    if existed {
        response.insert_header((IDEMPOTENCY_REPLAYED_HEADER, "true"));
    }
    Ok(response.json(job))
}

/// Pauses a schedule.
///
/// Slots in the pause are missed: the misfire policy says what becomes of them. Repeat the request to change the end or the reason.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::ScheduleId), request_body = Option<PauseRequest>, responses(
    (status = 200, body = Schedule)))]
#[post("/api/v1/schedules/{id}/pause")]
pub(crate) async fn pause(
    caller: Changing<RunCancel>,
    schedules: Data<Schedules>,
    id: Path<ScheduleId>,
    body: OptionalJsonBody<PauseRequest>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(schedules.pause(&caller, *id, body.0).await?))
}

/// Ends the pause of a schedule.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::ScheduleId), responses(
    (status = 200, body = Schedule), (status = 409, description = "The schedule is not paused", body = Problem)))]
#[post("/api/v1/schedules/{id}/resume")]
pub(crate) async fn resume(caller: Changing<RunCancel>, schedules: Data<Schedules>, id: Path<ScheduleId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(schedules.resume(&caller, *id).await?))
}

/// Pauses the schedules that meet the conditions, or all of them for maintenance.
///
/// Only those that the caller may pause. A pause of all must have an end. `dry_run` only counts them.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("run.cancel"))), request_body = SchedulePauseRequest, responses(
    (status = 200, body = ScheduleBulkResponse)))]
#[post("/api/v1/schedules/bulk/pause")]
pub(crate) async fn pause_all(
    caller: Changing<RunCancel>,
    schedules: Data<Schedules>,
    body: JsonBody<SchedulePauseRequest>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(schedules.pause_all(&caller, body.0).await?))
}

/// Ends the pauses of the schedules that meet the conditions.
///
/// Only those that the caller may resume. `done` counts those that were paused. `dry_run` only counts those that match.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("run.cancel"))), request_body = ScheduleResumeRequest, responses(
    (status = 200, body = ScheduleBulkResponse)))]
#[post("/api/v1/schedules/bulk/resume")]
pub(crate) async fn resume_all(
    caller: Changing<RunCancel>,
    schedules: Data<Schedules>,
    body: JsonBody<ScheduleResumeRequest>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(schedules.resume_all(&caller, body.0).await?))
}
