//! Routes of jobs: what people ask of them and do to them.

pub(crate) mod control;
mod listing;
pub(crate) mod stream;

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header,
    post,
    web::{Data, Path},
};
use api_types::{IDEMPOTENCY_KEY_HEADER, Job, JobCreate, JobEvent, JobEventFilter, JobFilter, LogFilter, LogLine, Problem};
use auth::{
    Principal,
    need::{JobsCreate, JobsRead},
};
use domain::{
    Fault, Scope,
    ids::JobId,
    job::{ErrorClass, IdempotencyKey, Origin, Request, Status, Trigger},
};
use runtime::{Allowed, Ask, Failure, JsonBody, Params};
use store::{
    job_logs::{LinePart, line_list, line_page},
    jobs::{Filter, JobRow, Payload},
};

use self::control::time_faults;
use super::{accept::KEY_HEADER, convert, waiting::with_reason};
use crate::{
    Orchestrator,
    pages::{page, page_size},
};

/// Bytes of payload, or of log lines, of a page, unless one item alone has more.
const PAGE_BYTES: u32 = 4 * 1024 * 1024;

/// What a job takes beside its payload, about.
const ROW_BYTES: u64 = 1024;

/// Lists jobs, newest first, 50 a page.
///
/// Results are left out unless `include=result` asks for them. A page ends early when its parameters and results reach 4 MiB; the header `Link` has
/// the next one.
#[utoipa::path(tag = "jobs", params(JobFilter), responses(
    (status = 200, body = Vec<Job>)))]
#[get("/api/v1/jobs")]
pub(crate) async fn list(
    _: Allowed<JobsRead>,
    request: HttpRequest,
    hub: Data<Orchestrator>,
    query: Params<JobFilter>,
) -> Result<HttpResponse, Failure> {
    let (filter, payload) = (filter(&query.0)?, payload(query.0.include.as_deref())?);
    let found = store::jobs::job_list_page(&hub.database, &Scope::All, &filter, payload, PAGE_BYTES.into()).await?;
    let reasons = hub.reasons(&found.rows.iter().map(|(row, _)| row).collect::<Vec<_>>()).await?;
    let next = found.rows.last().filter(|_| found.more).map(|(last, _)| last.job.id.to_string());
    let read = async move |part: Vec<(JobRow, u64)>| {
        let rows = part.into_iter().map(|(row, _)| row).collect();
        let jobs = store::jobs::job_load_payloads(&hub.database, rows, payload).await?;
        Ok(jobs.into_iter().map(|job| with_reason(job, &reasons)).collect())
    };
    let response = page(request.path(), request.query_string(), next);
    listing::array(response, listing::parts(found.rows, |(_, bytes)| *bytes + ROW_BYTES), read).await
}

/// What a list is to have beside the rows.
fn payload(include: Option<&str>) -> Result<Payload, Failure> {
    let mut words = include.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    words.try_fold(Payload::Parameters, |_, word| match word {
        "result" => Ok(Payload::All),
        _ => Err(Failure::BadQuery(vec![Fault::new("include", format!("\"{word}\" cannot be included, only result"))])),
    })
}

/// Requests a job.
///
/// Its fields override the automation's settings for this job. The answer is 202 once the job is stored. With `Idempotency-Replayed: true` it is a
/// job that was there before: accepted under the same key, or waiting where the automation's overlap rule joins requests.
#[utoipa::path(tag = "jobs", request_body = JobCreate, params(
    api_types::params::IdempotencyKey), responses(
    (status = 202, body = Job, headers(("Idempotency-Replayed" = bool, description = "`true`: the job was there before the request"))),
    (status = 404, description = "No such automation", body = Problem),
    (status = 409, description = "The automation is archived, or its overlap rule skips the request: `job_id` is the job in the way", body = Problem)))]
#[post("/api/v1/jobs")]
pub(crate) async fn create(
    caller: Allowed<JobsCreate>,
    request: HttpRequest,
    hub: Data<Orchestrator>,
    body: JsonBody<JobCreate>,
) -> Result<HttpResponse, Failure> {
    let in_body = body.0.idempotency_key.clone();
    let in_header = idempotency_key(&request)?;
    if in_header.is_some() && in_body.is_some() && in_header != in_body {
        return Err(Failure::field("idempotency_key", "is not that of the header Idempotency-Key"));
    }
    let in_body = in_body.map(IdempotencyKey::parse).transpose().map_err(|fault| Failure::Invalid(vec![fault]))?;
    let is_in_header = in_body.is_none();
    let key = match in_body {
        Some(key) => Some(key),
        None => header_key(in_header)?,
    };
    let ask = Ask { automation_id: body.0.automation_id, request: requested(body.0, &caller)?, key };
    let executed = hub.execute(ask).await;
    let (job, replayed) = executed.map_err(|failure| if is_in_header { key_in_header(failure) } else { failure })?;
    Ok(accepted(&job, replayed))
}

/// What is asked of the automation, by whom: a service says for whom it asks.
fn requested(body: JobCreate, caller: &Principal) -> Result<Request, Failure> {
    if !caller.actor.asks_for_others() {
        let faults: Vec<Fault> = body.service_fields().map(|field| Fault::new(field, "may be set by a service of the hub alone")).collect();
        if !faults.is_empty() {
            return Err(Failure::Invalid(faults));
        }
    }
    let overrides = body.overrides();
    let JobCreate { parameters, trigger, requested_by, schedule_id, version_id, environment, traceparent, .. } = body;
    Ok(Request {
        parameters,
        overrides,
        trigger: trigger.unwrap_or(Trigger::Api),
        version_id,
        environment,
        origin: Origin { requested_by: Some(requested_by.unwrap_or_else(|| caller.name())), schedule_id, traceparent },
    })
}

/// The key of the header [`KEY_HEADER`].
pub(crate) fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, Failure> {
    let key = request.headers().get(IDEMPOTENCY_KEY_HEADER).map(|value| value.to_str().map(str::to_owned));
    key.transpose().map_err(|_| Failure::BadRequest(format!("the header {KEY_HEADER} must be ASCII")))
}

/// Reads the key of the header [`KEY_HEADER`].
pub(crate) fn header_key(key: Option<String>) -> Result<Option<IdempotencyKey>, Failure> {
    let bad = |fault: Fault| Failure::BadRequest(format!("the header {KEY_HEADER} {}", fault.message));
    key.map(IdempotencyKey::parse).transpose().map_err(bad)
}

/// The failure of a request whose key came in the header [`KEY_HEADER`].
pub(crate) fn key_in_header(failure: Failure) -> Failure {
    let named = |fault: Fault| if fault.field == "idempotency_key" { Fault { field: KEY_HEADER.to_owned(), ..fault } } else { fault };
    match failure {
        Failure::Invalid(faults) => Failure::Invalid(faults.into_iter().map(named).collect()),
        other => other,
    }
}

/// The answer to a request that a job was accepted for.
pub(crate) fn accepted(job: &Job, replayed: bool) -> HttpResponse {
    let mut response = HttpResponse::Accepted();
    response.insert_header((header::LOCATION, format!("/api/v1/jobs/{}", job.id)));
    if replayed {
        response.insert_header(("idempotency-replayed", "true"));
    }
    response.json(job)
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
        queue_name: query.queue_name.clone(),
        error_class: query.error_class.as_ref().map(class).transpose()?,
        trigger: query.trigger.as_ref().map(trigger).transpose()?,
        requested_by: query.requested_by.clone(),
        created_from: query.created_from,
        created_to: query.created_to,
        limit: page_size(query.limit, 50, 1000)?.into(),
        after: query.after,
        ..Filter::default()
    })
}

/// Returns a job with its result and, while it waits, the reason.
#[utoipa::path(tag = "jobs", params(api_types::params::JobId), responses(
    (status = 200, body = Job)))]
#[get("/api/v1/jobs/{id}")]
pub(crate) async fn get(_: Allowed<JobsRead>, hub: Data<Orchestrator>, id: Path<JobId>) -> Result<HttpResponse, Failure> {
    let job = store::jobs::job_get(&hub.database, &Scope::All, *id).await?.ok_or_else(|| Failure::NotFound(format!("job {id}")))?;
    Ok(HttpResponse::Ok().json(hub.shown(job).await?))
}

/// Lists a job's log lines, oldest first, 1000 a page.
///
/// A page ends early when its lines reach 4 MiB; the header `Link` has the next one.
#[utoipa::path(tag = "jobs", params(api_types::params::JobId, LogFilter), responses(
    (status = 200, body = Vec<LogLine>)))]
#[get("/api/v1/jobs/{id}/logs")]
pub(crate) async fn logs(
    _: Allowed<JobsRead>,
    request: HttpRequest,
    hub: Data<Orchestrator>,
    id: Path<JobId>,
    query: Params<LogFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 1000, 10_000)? as usize;
    hub.job_row(*id).await?;
    let found = line_page(&hub.database, *id, query.0.after.unwrap_or(0), limit, PAGE_BYTES as usize).await?;
    let next = found.last.filter(|_| found.more).map(|last| last.to_string());
    let read = async move |parts: Vec<LinePart>| {
        let lines = line_list(&hub.database, *id, &parts).await?;
        Ok(lines.into_iter().map(convert::log_line).collect())
    };
    let response = page(request.path(), request.query_string(), next);
    listing::array(response, listing::parts(found.parts, |part| part.bytes as u64), read).await
}

/// Lists a job's events, oldest first, 100 a page.
///
/// Events are what happened beside its status: late results, control requests, dispatches that failed.
#[utoipa::path(tag = "jobs", params(api_types::params::JobId, JobEventFilter), responses(
    (status = 200, body = Vec<JobEvent>)))]
#[get("/api/v1/jobs/{id}/events")]
pub(crate) async fn events(
    _: Allowed<JobsRead>,
    request: HttpRequest,
    hub: Data<Orchestrator>,
    id: Path<JobId>,
    query: Params<JobEventFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    hub.job_row(*id).await?;
    let events = store::job_events::job_event_list(&hub.database, *id, query.0.after, limit.into()).await?;
    let next = events.last().filter(|_| events.len() == limit as usize).map(|event| event.id.to_string());
    let to_api = |event: store::job_events::JobEvent| JobEvent {
        id: event.id,
        kind: event.kind,
        actor: event.actor,
        detail: event.detail,
        created_at: event.created_at,
    };
    Ok(page(request.path(), request.query_string(), next).json(events.into_iter().map(to_api).collect::<Vec<_>>()))
}
