//! Routes of jobs for people and programs.

pub(crate) mod control;
mod listing;
mod reader;
pub(crate) mod request;
pub(crate) mod stream;

use actix_web::{
    HttpRequest, HttpResponse, get,
    web::{Data, Path},
};
use api_types::{Job, JobEvent, JobEventFilter, JobFilter, LogFilter, LogLine};
use auth::need::RunRead;
use domain::{
    Fault,
    ids::JobId,
    job::{ErrorClass, Status, Trigger},
};
use runtime::{Allowed, Failure, Params, page, page_size};
use store::{
    job_logs::LinePart,
    jobs::{Filter, JobRow, Payload},
};

use self::control::time_faults;
use super::Jobs;

/// Approximate size of a job without its payload, in bytes.
const ROW_BYTES: u64 = 1024;

/// Lists jobs, newest first, 50 a page.
///
/// Results are omitted unless `include=result` is given. A page ends early when its parameters and results reach 4 MiB; the `Link` header
/// has the address of the next one.
#[utoipa::path(tag = "jobs", extensions(("x-permission" = json!("run.read"))), params(JobFilter), responses(
    (status = 200, body = Vec<Job>)))]
#[get("/api/v1/jobs")]
pub(crate) async fn list(
    caller: Allowed<RunRead>,
    request: HttpRequest,
    jobs: Data<Jobs>,
    query: Params<JobFilter>,
) -> Result<HttpResponse, Failure> {
    let (filter, payload) = (filter(&query.0)?, payload(query.0.include.as_deref())?);
    let (found, reasons) = jobs.list(&caller, &filter, payload).await?;
    let next = found.rows.last().filter(|_| found.more).map(|(last, _)| last.job.id.to_string());
    let read = async move |part: Vec<(JobRow, u64)>| {
        let rows = part.into_iter().map(|(row, _)| row).collect();
        jobs.load(rows, payload, &reasons).await
    };
    let response = page(request.path(), request.query_string(), next);
    listing::array(response, listing::parts(found.rows, |(_, bytes)| *bytes + ROW_BYTES), read).await
}

/// The requested payload of a list.
fn payload(include: Option<&str>) -> Result<Payload, Failure> {
    let mut words = include.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    words.try_fold(Payload::Parameters, |_, word| match word {
        "result" => Ok(Payload::All),
        _ => Err(Failure::BadQuery(vec![Fault::new("include", format!("\"{word}\" cannot be included, only result"))])),
    })
}

fn filter(query: &JobFilter) -> Result<Filter, Failure> {
    let bad = |field: &str, message: String| Failure::BadQuery(vec![Fault::new(field, message)]);
    let words = query.status.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    let status = |word: &str| word.parse::<Status>().map_err(|unknown| bad("status", unknown.to_string()));
    let trigger = |word: &String| word.parse::<Trigger>().map_err(|unknown| bad("trigger", unknown.to_string()));
    let class = |word: &String| word.parse::<ErrorClass>().map_err(|unknown| bad("error_class", unknown.to_string()));
    let faults: Vec<Fault> = time_faults(query.created_from, query.created_to).collect();
    if !faults.is_empty() {
        return Err(Failure::BadQuery(faults));
    }
    Ok(Filter {
        statuses: words.map(status).collect::<Result<_, _>>()?,
        automation_id: query.automation_id,
        domain: query.domain.clone(),
        queue_name: query.queue_name.clone(),
        error_class: query.error_class.as_ref().map(class).transpose()?,
        trigger: query.trigger.as_ref().map(trigger).transpose()?,
        requested_by: query.requested_by.clone(),
        retry_of: query.retry_of,
        created_from: query.created_from,
        created_to: query.created_to,
        limit: page_size(query.limit, 50, 1000)?.into(),
        after: query.after,
        ..Filter::default()
    })
}

/// Returns a job with its result and, while it is pending, the reason.
#[utoipa::path(tag = "jobs", extensions(("x-permission" = json!("run.read"))), params(api_types::params::JobId), responses(
    (status = 200, body = Job)))]
#[get("/api/v1/jobs/{id}")]
pub(crate) async fn get(caller: Allowed<RunRead>, jobs: Data<Jobs>, id: Path<JobId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(jobs.shown(&caller, *id).await?))
}

/// Lists a job's log lines, oldest first, 1000 a page.
///
/// A page ends early when its lines reach 4 MiB; the `Link` header has the address of the next one.
#[utoipa::path(tag = "jobs", extensions(("x-permission" = json!("run.read"))), params(api_types::params::JobId, LogFilter), responses(
    (status = 200, body = Vec<LogLine>)))]
#[get("/api/v1/jobs/{id}/logs")]
pub(crate) async fn logs(
    caller: Allowed<RunRead>,
    request: HttpRequest,
    jobs: Data<Jobs>,
    id: Path<JobId>,
    query: Params<LogFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 1000, 10_000)? as usize;
    let found = jobs.log_page(&caller, *id, query.0.after.unwrap_or(0), limit).await?;
    let next = found.last.filter(|_| found.more).map(|last| last.to_string());
    let read = async move |parts: Vec<LinePart>| jobs.log_lines(*id, &parts).await;
    let response = page(request.path(), request.query_string(), next);
    listing::array(response, listing::parts(found.parts, |part| part.bytes as u64), read).await
}

/// Lists a job's events, oldest first, 100 a page.
///
/// Events record what the status does not show: late results, control requests, failed dispatches.
#[utoipa::path(tag = "jobs", extensions(("x-permission" = json!("run.read"))), params(api_types::params::JobId, JobEventFilter), responses(
    (status = 200, body = Vec<JobEvent>)))]
#[get("/api/v1/jobs/{id}/events")]
pub(crate) async fn events(
    caller: Allowed<RunRead>,
    request: HttpRequest,
    jobs: Data<Jobs>,
    id: Path<JobId>,
    query: Params<JobEventFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let events = jobs.events(&caller, *id, query.0.after, limit.into()).await?;
    let next = events.last().filter(|_| events.len() == limit as usize).map(|event| event.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(events))
}
