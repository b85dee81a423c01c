//! Requests for jobs: `execute` of an automation with the parameters as the body, or `POST /jobs` with a complete request.

use actix_web::{HttpRequest, HttpResponse, http::header, post, web::Data};
use api_types::{ExecuteOptions, IDEMPOTENCY_KEY_HEADER, IDEMPOTENCY_REPLAYED_HEADER, Job, JobCreate, Problem};
use auth::{Permitted, need::RobotRun};
use chrono::{DateTime, Utc};
use domain::{
    Fault,
    job::{IdempotencyKey, Origin, Request, Trigger, is_traceparent},
    policy::Overrides,
};
use runtime::{Ask, Changing, Failure, JsonBody, OptionalJsonBody, Params};
use serde_json::Value;

use crate::jobs::Jobs;

/// Name of the header with the idempotency key.
const KEY_HEADER: &str = "Idempotency-Key";

/// Runs an automation.
///
/// The body is the parameters object itself and may be empty; the query overrides the automation's settings for this job. Answers 202 once
/// the job is stored.
#[utoipa::path(tag = "automations", extensions(("x-permission" = json!("robot.run"))), params(api_types::params::AutomationId, ExecuteOptions,
    api_types::params::IdempotencyKey, api_types::params::Traceparent),
    request_body(content = Option<Object>, description = "The parameters", example = json!({"cnpj": "12345678000195", "month": "2026-10"})), responses(
    (status = 202, body = Job, headers(("Idempotency-Replayed" = bool, description = "`true`: the job existed before the request"))),
    (status = 400, description = "The body is not an object", body = Problem),
    (status = 409, description = "The automation is archived, or its overlap rule skips the request: `job_id` is the conflicting job", body = Problem),
    (status = 422, description = "The parameters do not match the schema, or the key was used with other parameters", body = Problem)))]
#[post("/api/v1/automations/{id}/execute")]
pub(crate) async fn execute(
    caller: Changing<RobotRun>,
    request: HttpRequest,
    jobs: Data<Jobs>,
    query: Params<ExecuteOptions>,
    body: OptionalJsonBody<Option<Value>>,
) -> Result<HttpResponse, Failure> {
    let automation_id = request.match_info().get("id").and_then(|id| id.parse().ok());
    let automation_id = automation_id.ok_or_else(|| Failure::BadQuery(vec![Fault::new("id", "must be an integer")]))?;
    let parameters = match body.0 {
        None => serde_json::Map::new(),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(Failure::BadRequest("the body must be the parameters as a JSON object".to_owned())),
    };
    let job = Request {
        parameters,
        overrides: overrides(query.0, jobs.now())?,
        trigger: Trigger::Api,
        version_id: None,
        environment: None,
        origin: Origin { requested_by: Some(caller.name()), traceparent: traceparent(&request), ..Origin::default() },
    };
    let ask = Ask { automation_id, request: job, key: header_key(idempotency_key(&request)?)? };
    let (job, replayed) = jobs.execute(&caller, ask).await.map_err(|failure| parameters_are_the_body(key_in_header(failure)))?;
    Ok(accepted(&job, replayed))
}

/// Requests a job.
///
/// Its fields override the automation's settings for this job. Answers 202 once the job is stored. `Idempotency-Replayed: true` marks an
/// existing job: accepted with the same key, or pending while the overlap rule is `coalesce`.
#[utoipa::path(tag = "jobs", extensions(("x-permission" = json!("robot.run"))), request_body = JobCreate, params(
    api_types::params::IdempotencyKey, api_types::params::Traceparent), responses(
    (status = 202, body = Job, headers(("Idempotency-Replayed" = bool, description = "`true`: the job existed before the request"))),
    (status = 404, description = "No such automation", body = Problem),
    (status = 409, description = "The automation is archived, or its overlap rule skips the request: `job_id` is the conflicting job", body = Problem)))]
#[post("/api/v1/jobs")]
pub(crate) async fn create(
    caller: Changing<RobotRun>,
    request: HttpRequest,
    jobs: Data<Jobs>,
    body: JsonBody<JobCreate>,
) -> Result<HttpResponse, Failure> {
    let in_body = body.0.idempotency_key.clone();
    let in_header = idempotency_key(&request)?;
    if in_header.is_some() && in_body.is_some() && in_header != in_body {
        return Err(Failure::field("idempotency_key", "differs from the header Idempotency-Key"));
    }
    let in_body = in_body.map(IdempotencyKey::parse).transpose().map_err(|fault| Failure::Invalid(vec![fault]))?;
    let is_in_header = in_body.is_none();
    let key = match in_body {
        Some(key) => Some(key),
        None => header_key(in_header)?,
    };
    let ask = Ask { automation_id: body.0.automation_id, request: requested(body.0, &caller, traceparent(&request))?, key };
    let executed = jobs.execute(&caller, ask).await;
    let (job, replayed) = executed.map_err(|failure| if is_in_header { key_in_header(failure) } else { failure })?;
    Ok(accepted(&job, replayed))
}

/// The request with its origin; a service may name another requester.
fn requested(body: JobCreate, caller: &Permitted, in_header: Option<String>) -> Result<Request, Failure> {
    if !caller.actor.asks_for_others() {
        let faults: Vec<Fault> = body.service_fields().map(|field| Fault::new(field, "may be set only by a service of the hub")).collect();
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
        origin: Origin {
            requested_by: Some(requested_by.unwrap_or_else(|| caller.name())),
            schedule_id,
            traceparent: traceparent.or(in_header),
        },
    })
}

/// Adapts a failure to a request whose body is the parameters: removes `parameters/` from fields.
fn parameters_are_the_body(failure: Failure) -> Failure {
    let inside = |fault: Fault| match fault.field.strip_prefix("parameters") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Fault::new(rest.trim_start_matches('/'), fault.message),
        _ => fault,
    };
    match failure {
        Failure::Invalid(faults) => Failure::Invalid(faults.into_iter().map(inside).collect()),
        other => other,
    }
}

/// The overrides in the query.
fn overrides(options: ExecuteOptions, now: DateTime<Utc>) -> Result<Overrides, Failure> {
    let ExecuteOptions { priority, timeout_s, queue_timeout_s, max_attempts, cancel_grace_s, concurrency_key, not_before } = options;
    let overrides = Overrides {
        priority,
        timeout_s,
        queue_timeout_s,
        max_attempts,
        cancel_grace_s,
        concurrency_key,
        not_before,
        ..Overrides::default()
    };
    let faults = overrides.faults(now);
    if faults.is_empty() { Ok(overrides) } else { Err(Failure::BadQuery(faults)) }
}

/// The caller's trace. The standard has receivers ignore an invalid one.
fn traceparent(request: &HttpRequest) -> Option<String> {
    let text = request.headers().get("traceparent")?.to_str().ok()?;
    is_traceparent(text).then(|| text.to_owned())
}

/// The key of the header [`KEY_HEADER`].
fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, Failure> {
    let key = request.headers().get(IDEMPOTENCY_KEY_HEADER).map(|value| value.to_str().map(str::to_owned));
    key.transpose().map_err(|_| Failure::BadRequest(format!("the header {KEY_HEADER} must be ASCII")))
}

/// Parses the key of the header [`KEY_HEADER`].
fn header_key(key: Option<String>) -> Result<Option<IdempotencyKey>, Failure> {
    let bad = |fault: Fault| Failure::BadRequest(format!("the header {KEY_HEADER} {}", fault.message));
    key.map(IdempotencyKey::parse).transpose().map_err(bad)
}

/// Adapts a failure to a request with its key in the header [`KEY_HEADER`].
fn key_in_header(failure: Failure) -> Failure {
    let named = |fault: Fault| if fault.field == "idempotency_key" { Fault { field: KEY_HEADER.to_owned(), ..fault } } else { fault };
    match failure {
        Failure::Invalid(faults) => Failure::Invalid(faults.into_iter().map(named).collect()),
        other => other,
    }
}

/// The answer to an accepted request.
pub(super) fn accepted(job: &Job, replayed: bool) -> HttpResponse {
    let mut response = HttpResponse::Accepted();
    response.insert_header((header::LOCATION, format!("/api/v1/jobs/{}", job.id)));
    if replayed {
        response.insert_header((IDEMPOTENCY_REPLAYED_HEADER, "true"));
    }
    response.json(job)
}
