use actix_web::{
    HttpResponse, post,
    web::{Data, Path},
};
use api_types::{BulkRequest, BulkResponse, ControlRequest, Job, Problem, RetryRequest};
use auth::{
    Principal,
    need::{JobsControl, JobsCreate},
};
use chrono::{DateTime, Utc};
use domain::{
    Fault,
    job::{ErrorClass, Status, Trigger},
};
use runtime::{Allowed, Failure, JsonBody, OptionalJsonBody};
use store::jobs::Filter;
use uuid::Uuid;

use super::accepted;
use crate::{
    Orchestrator,
    jobs::control::{Bulk, check_bulk, reason},
    text,
    writer::{Action, Control},
};

/// Stops a job: one that waits at once, one that runs by asking its program first and killing its whole process tree after `cancel_grace_s`.
#[utoipa::path(tag = "jobs", params(("id" = Uuid, Path)), request_body = Option<ControlRequest>, responses(
    (status = 200, description = "Ended", body = Job), (status = 202, description = "Its worker was told to stop it", body = Job),
    (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, description = "Ended already; the problem names the state", body = Problem), (status = 422, body = Problem)))]
#[post("/api/v1/jobs/{id}/cancel")]
pub(crate) async fn cancel(
    caller: Allowed<JobsControl>,
    hub: Data<Orchestrator>,
    id: Path<Uuid>,
    body: OptionalJsonBody<ControlRequest>,
) -> Result<HttpResponse, Failure> {
    let job = hub.job_control(*id, Control::new(Action::Cancel, &caller, reason(body.0.reason)?)).await?;
    let mut response = if job.status.is_terminal() { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    Ok(response.json(job))
}

/// Lets a job's processes stand still, and its time-out clock.
#[utoipa::path(tag = "jobs", params(("id" = Uuid, Path)), request_body = Option<ControlRequest>, responses(
    (status = 200, body = Job), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, description = "Not running, or its worker cannot do it", body = Problem), (status = 422, body = Problem)))]
#[post("/api/v1/jobs/{id}/pause")]
pub(crate) async fn pause(
    caller: Allowed<JobsControl>,
    hub: Data<Orchestrator>,
    id: Path<Uuid>,
    body: OptionalJsonBody<ControlRequest>,
) -> Result<HttpResponse, Failure> {
    let control = Control::new(Action::Pause, &caller, reason(body.0.reason)?);
    Ok(HttpResponse::Ok().json(hub.job_control(*id, control).await?))
}

/// Lets a paused job go on, and one that waits for a person (`waiting_reason` `worker_key_refused` or `never_started`) be sent again.
#[utoipa::path(tag = "jobs", params(("id" = Uuid, Path)), request_body = Option<ControlRequest>, responses(
    (status = 200, body = Job), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, description = "Not paused, or its worker is lost", body = Problem), (status = 422, body = Problem)))]
#[post("/api/v1/jobs/{id}/resume")]
pub(crate) async fn resume(
    caller: Allowed<JobsControl>,
    hub: Data<Orchestrator>,
    id: Path<Uuid>,
    body: OptionalJsonBody<ControlRequest>,
) -> Result<HttpResponse, Failure> {
    let control = Control::new(Action::Resume, &caller, reason(body.0.reason)?);
    Ok(HttpResponse::Ok().json(hub.job_control(*id, control).await?))
}

/// Runs a job that has ended again, as a new job, with the same or other parameters.
#[utoipa::path(tag = "jobs", params(("id" = Uuid, Path)), request_body = Option<RetryRequest>, responses(
    (status = 202, body = Job), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, description = "Not ended yet, or its automation is archived", body = Problem), (status = 422, body = Problem)))]
#[post("/api/v1/jobs/{id}/retry")]
pub(crate) async fn retry(
    _: Allowed<JobsCreate>,
    hub: Data<Orchestrator>,
    id: Path<Uuid>,
    body: OptionalJsonBody<RetryRequest>,
) -> Result<HttpResponse, Failure> {
    let job = hub.job_retry(*id, body.0).await?;
    Ok(accepted(&job, false))
}

/// Stops every job that meets the conditions, at most 10000, the newest first. `dry_run` only counts.
#[utoipa::path(tag = "jobs", request_body = BulkRequest, responses(
    (status = 200, body = BulkResponse), (status = 400, body = Problem), (status = 401, body = Problem), (status = 422, body = Problem)))]
#[post("/api/v1/jobs/bulk/cancel")]
pub(crate) async fn bulk_cancel(
    caller: Allowed<JobsControl>,
    hub: Data<Orchestrator>,
    body: JsonBody<BulkRequest>,
) -> Result<HttpResponse, Failure> {
    bulk(Bulk::Cancel, &caller, &hub, body.0).await
}

/// Runs every ended job that meets the conditions and was not retried before again, at most 10000, the newest first. `dry_run` only counts.
#[utoipa::path(tag = "jobs", request_body = BulkRequest, responses(
    (status = 200, body = BulkResponse), (status = 400, body = Problem), (status = 401, body = Problem), (status = 422, body = Problem)))]
#[post("/api/v1/jobs/bulk/retry")]
pub(crate) async fn bulk_retry(
    caller: Allowed<JobsCreate>,
    hub: Data<Orchestrator>,
    body: JsonBody<BulkRequest>,
) -> Result<HttpResponse, Failure> {
    bulk(Bulk::Retry, &caller, &hub, body.0).await
}

async fn bulk(bulk: Bulk, caller: &Principal, hub: &Orchestrator, request: BulkRequest) -> Result<HttpResponse, Failure> {
    let dry_run = request.dry_run;
    let control = Control::new(Action::Cancel, caller, reason(request.reason.clone())?);
    let filter = bulk_filter(bulk, request)?;
    check_bulk(&filter)?;
    Ok(HttpResponse::Ok().json(hub.jobs_in_bulk(bulk, filter, dry_run, &control).await?))
}

fn bulk_filter(bulk: Bulk, request: BulkRequest) -> Result<Filter, Failure> {
    let mut faults = Vec::new();
    let mut statuses = Vec::new();
    for (nth, word) in request.status.iter().enumerate() {
        match Status::parse(word).filter(|status| bulk.statuses().contains(status)) {
            Some(status) => statuses.push(status),
            None => faults.push(Fault::new(format!("status/{nth}"), format!("\"{word}\" is none of {}", names(bulk.statuses())))),
        }
    }
    if statuses.is_empty() {
        let usual = if bulk == Bulk::Retry { &[Status::Failed, Status::Canceled] } else { bulk.statuses() };
        statuses.extend(usual);
    }
    let trigger = request.trigger.as_deref().map(|word| Trigger::parse(word).ok_or_else(|| trigger_fault(word)));
    let error_class = request.error_class.as_deref().map(|word| ErrorClass::known(word).ok_or_else(|| class_fault(word)));
    let mut unless_faulty = |fault: Fault| faults.push(fault);
    let trigger = trigger.transpose().map_err(&mut unless_faulty).ok().flatten();
    let error_class = error_class.transpose().map_err(&mut unless_faulty).ok().flatten();
    faults.extend(time_faults(request.created_from, request.created_to));
    if request.queue_name.as_ref().is_some_and(|name| name.contains('\0')) {
        faults.push(Fault::new("queue_name", "must not contain NUL characters"));
    }
    if !faults.is_empty() {
        return Err(Failure::Invalid(faults));
    }
    Ok(Filter {
        statuses,
        automation_id: request.automation_id,
        queue_name: request.queue_name,
        trigger,
        error_class,
        created_from: request.created_from,
        created_to: request.created_to,
        ids: request.ids,
        not_retried: bulk == Bulk::Retry,
        ..Filter::default()
    })
}

fn names(statuses: &[Status]) -> String {
    statuses.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(", ")
}

/// What is wrong with the times between which jobs were created.
pub(crate) fn time_faults(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> impl Iterator<Item = Fault> {
    let times = [("created_from", from), ("created_to", to)];
    times.into_iter().filter(|(_, at)| at.is_some_and(|at| !text::is_kept_date(at))).map(|(field, _)| Fault::new(field, text::DATE_RULE))
}

pub(crate) fn trigger_fault(word: &str) -> Fault {
    Fault::new("trigger", format!("\"{word}\" is none of {}", Trigger::ALL.map(Trigger::as_str).join(", ")))
}

pub(crate) fn class_fault(word: &str) -> Fault {
    Fault::new("error_class", format!("\"{word}\" is none of {}", ErrorClass::names()))
}
