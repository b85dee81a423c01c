use actix_web::{
    HttpResponse, post,
    web::{Data, Path},
};
use api_types::{BulkRequest, BulkResponse, ControlRequest, Job, Problem, RetryRequest};
use auth::need::{RobotRun, RunCancel};
use chrono::{DateTime, Utc};
use domain::{
    Fault,
    business_domain::{SLUG_RULE, is_slug},
    ids::JobId,
    job::{ErrorClass, Status, Trigger},
    wire::UnknownName,
};
use runtime::{Changing, Editor, Failure, JsonBody, OptionalJsonBody};
use store::jobs::Filter;

use super::request::accepted;
use crate::{
    jobs::{
        Jobs,
        control::{Bulk, check_bulk, reason},
    },
    text,
    writer::{Action, Control},
};

/// Cancels a job.
///
/// A pending job ends at once (200). The worker of a running job is asked to stop it (202) and kills its process tree after
/// `cancel_grace_s`.
#[utoipa::path(tag = "jobs", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::JobId), request_body = Option<ControlRequest>, responses(
    (status = 200, description = "Ended", body = Job), (status = 202, description = "Its worker was asked to stop it", body = Job),
    (status = 409, description = "Already ended; the problem names the status", body = Problem)))]
#[post("/api/v1/jobs/{id}/cancel")]
pub(crate) async fn cancel(
    caller: Changing<RunCancel>,
    jobs: Data<Jobs>,
    id: Path<JobId>,
    body: OptionalJsonBody<ControlRequest>,
) -> Result<HttpResponse, Failure> {
    let job = jobs.control(&caller, *id, Control::new(Action::Cancel, &caller, reason(body.0.reason)?)).await?;
    let mut response = if job.status.is_terminal() { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    Ok(response.json(job))
}

/// Suspends a running job's processes and stops its time-out clock.
#[utoipa::path(tag = "jobs", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::JobId), request_body = Option<ControlRequest>, responses(
    (status = 200, body = Job), (status = 409, description = "Not running, or its worker cannot pause it", body = Problem)))]
#[post("/api/v1/jobs/{id}/pause")]
pub(crate) async fn pause(
    caller: Changing<RunCancel>,
    jobs: Data<Jobs>,
    id: Path<JobId>,
    body: OptionalJsonBody<ControlRequest>,
) -> Result<HttpResponse, Failure> {
    let control = Control::new(Action::Pause, &caller, reason(body.0.reason)?);
    Ok(HttpResponse::Ok().json(jobs.control(&caller, *id, control).await?))
}

/// Resumes a paused job.
///
/// A pending job that is no longer dispatched (`waiting_reason` `worker_key_refused` or `never_started`) is dispatched again.
#[utoipa::path(tag = "jobs", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::JobId), request_body = Option<ControlRequest>, responses(
    (status = 200, body = Job), (status = 409, description = "Not paused, or its worker is lost", body = Problem)))]
#[post("/api/v1/jobs/{id}/resume")]
pub(crate) async fn resume(
    caller: Changing<RunCancel>,
    jobs: Data<Jobs>,
    id: Path<JobId>,
    body: OptionalJsonBody<ControlRequest>,
) -> Result<HttpResponse, Failure> {
    let control = Control::new(Action::Resume, &caller, reason(body.0.reason)?);
    Ok(HttpResponse::Ok().json(jobs.control(&caller, *id, control).await?))
}

/// Retries an ended job as a new job.
///
/// The new job has the same parameters unless the body has others.
#[utoipa::path(tag = "jobs", extensions(("x-permission" = json!("robot.run"))), params(api_types::params::JobId), request_body = Option<RetryRequest>, responses(
    (status = 202, body = Job), (status = 409, description = "Not ended yet, or its automation is archived", body = Problem)))]
#[post("/api/v1/jobs/{id}/retry")]
pub(crate) async fn retry(
    caller: Changing<RobotRun>,
    jobs: Data<Jobs>,
    id: Path<JobId>,
    body: OptionalJsonBody<RetryRequest>,
) -> Result<HttpResponse, Failure> {
    let job = jobs.retry(&caller, *id, body.0).await?;
    Ok(accepted(&job, false))
}

/// Cancels all jobs that match.
///
/// One request handles at most 10000 jobs, newest first; `more` says whether to repeat it. `dry_run` only counts them.
#[utoipa::path(tag = "jobs", extensions(("x-permission" = json!("run.cancel"))), request_body = api_types::BulkCancelRequest, responses(
    (status = 200, body = BulkResponse)))]
#[post("/api/v1/jobs/bulk/cancel")]
pub(crate) async fn bulk_cancel(
    caller: Changing<RunCancel>,
    jobs: Data<Jobs>,
    body: JsonBody<BulkRequest>,
) -> Result<HttpResponse, Failure> {
    bulk(&caller, Bulk::Cancel, &jobs, body.0).await
}

/// Retries all ended jobs that match and have no retry yet.
///
/// One request handles at most 10000 jobs, newest first; `more` says whether to repeat it. `dry_run` only counts them.
#[utoipa::path(tag = "jobs", extensions(("x-permission" = json!("robot.run"))), request_body = api_types::BulkRetryRequest, responses(
    (status = 200, body = BulkResponse)))]
#[post("/api/v1/jobs/bulk/retry")]
pub(crate) async fn bulk_retry(caller: Changing<RobotRun>, jobs: Data<Jobs>, body: JsonBody<BulkRequest>) -> Result<HttpResponse, Failure> {
    bulk(&caller, Bulk::Retry, &jobs, body.0).await
}

async fn bulk(caller: &Editor, bulk: Bulk, jobs: &Jobs, request: BulkRequest) -> Result<HttpResponse, Failure> {
    let dry_run = request.dry_run;
    let control = Control::new(Action::Cancel, caller, reason(request.reason.clone())?);
    let asked = serde_json::to_value(&request).map_err(|error| Failure::Internal(error.to_string()))?;
    let filter = bulk_filter(bulk, request)?;
    check_bulk(&filter)?;
    let response = if dry_run { jobs.count(caller, &filter).await? } else { jobs.in_bulk(caller, (bulk, asked), filter, &control).await? };
    Ok(HttpResponse::Ok().json(response))
}

fn bulk_filter(bulk: Bulk, request: BulkRequest) -> Result<Filter, Failure> {
    let mut faults = Vec::new();
    let mut statuses = Vec::new();
    for (nth, word) in request.status.iter().enumerate() {
        match Status::parse(word).filter(|status| bulk.statuses().contains(status)) {
            Some(status) => statuses.push(status),
            None => faults.push(Fault::new(format!("status/{nth}"), UnknownName::new(word, bulk.statuses()).to_string())),
        }
    }
    if statuses.is_empty() {
        let usual = if bulk == Bulk::Retry { &[Status::Failed, Status::Canceled] } else { bulk.statuses() };
        statuses.extend(usual);
    }
    let mut fault = |field: &str, unknown: UnknownName| faults.push(Fault::new(field, unknown.to_string()));
    let trigger = request.trigger.as_deref().map(str::parse::<Trigger>);
    let trigger = trigger.transpose().map_err(|unknown| fault("trigger", unknown)).ok().flatten();
    let error_class = request.error_class.as_deref().map(str::parse::<ErrorClass>);
    let error_class = error_class.transpose().map_err(|unknown| fault("error_class", unknown)).ok().flatten();
    faults.extend(time_faults(request.created_from, request.created_to));
    if request.queue_name.as_ref().is_some_and(|name| name.contains('\0')) {
        faults.push(Fault::new("queue_name", "must not contain NUL characters"));
    }
    if request.domain.as_ref().is_some_and(|slug| !is_slug(slug)) {
        faults.push(Fault::new("domain", SLUG_RULE));
    }
    if !faults.is_empty() {
        return Err(Failure::Invalid(faults));
    }
    Ok(Filter {
        statuses,
        automation_id: request.automation_id,
        domain: request.domain,
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

/// Faults of the time range of a filter.
pub(crate) fn time_faults(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> impl Iterator<Item = Fault> {
    let times = [("created_from", from), ("created_to", to)];
    times.into_iter().filter(|(_, at)| at.is_some_and(|at| !text::is_kept_date(at))).map(|(field, _)| Fault::new(field, text::DATE_RULE))
}
