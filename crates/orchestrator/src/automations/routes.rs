use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header,
    post, put,
    web::{Data, Path},
};
use api_types::{Automation, AutomationCreate, AutomationFilter, AutomationUpdate, ExecuteOptions, Job, PauseRequest, Problem};
use auth::need::{AutomationsPause, AutomationsRead, AutomationsWrite, JobsCreate};
use chrono::{DateTime, Utc};
use domain::{
    Fault,
    ids::AutomationId,
    job::{Origin, Trigger},
    policy::Overrides,
};
use runtime::{Allowed, Ask, Failure, JsonBody, OptionalJsonBody, Params};
use serde_json::Value;
use store::automations::Filter;

use crate::{
    Orchestrator,
    jobs::{accepted, header_key, idempotency_key, key_in_header},
    pages::{page, page_size},
};

/// Registers an automation.
///
/// The answer's `warnings` say what has not taken effect yet. 409 when the name is taken.
#[utoipa::path(tag = "automations", request_body = AutomationCreate, responses(
    (status = 201, body = Automation), (status = 409, description = "The name is taken", body = Problem)))]
#[post("/api/v1/automations")]
pub(crate) async fn create(
    caller: Allowed<AutomationsWrite>,
    hub: Data<Orchestrator>,
    body: JsonBody<AutomationCreate>,
) -> Result<HttpResponse, Failure> {
    let automation = hub.automation_create(body.0, &caller).await?;
    let location = format!("/api/v1/automations/{}", automation.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(shown(&hub, &automation)))
}

/// Lists automations by id, 100 a page.
///
/// Archived ones are left out unless `archived=true`.
#[utoipa::path(tag = "automations", params(AutomationFilter), responses(
    (status = 200, body = Vec<Automation>)))]
#[get("/api/v1/automations")]
pub(crate) async fn list(
    _: Allowed<AutomationsRead>,
    request: HttpRequest,
    hub: Data<Orchestrator>,
    query: Params<AutomationFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let filter = Filter { archived: query.0.archived, limit: limit.into(), after: query.0.after };
    let found = hub.automation_list(&filter).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found.iter().map(|automation| shown(&hub, automation)).collect::<Vec<_>>()))
}

/// Returns an automation.
#[utoipa::path(tag = "automations", params(api_types::params::AutomationId), responses(
    (status = 200, body = Automation)))]
#[get("/api/v1/automations/{id}")]
pub(crate) async fn get(_: Allowed<AutomationsRead>, hub: Data<Orchestrator>, id: Path<AutomationId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(shown(&hub, &hub.automation(*id).await?)))
}

/// Changes an automation.
///
/// Absent fields stay as they are, null clears a field that may be empty. What `GET` answered can be sent back; with an `updated_at` that is no
/// longer current the answer is 409.
#[utoipa::path(tag = "automations", params(api_types::params::AutomationId), request_body = AutomationUpdate, responses(
    (status = 200, body = Automation), (status = 409, description = "The name is taken", body = Problem)))]
#[put("/api/v1/automations/{id}")]
pub(crate) async fn update(
    caller: Allowed<AutomationsWrite>,
    hub: Data<Orchestrator>,
    id: Path<AutomationId>,
    body: JsonBody<AutomationUpdate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(shown(&hub, &hub.automation_update(*id, body.0, &caller).await?)))
}

/// Archives an automation.
///
/// It takes no more jobs and is kept with its jobs. Jobs that wait still run, under its limits; bulk cancel stops them.
#[utoipa::path(tag = "automations", params(api_types::params::AutomationId), responses(
    (status = 204)))]
#[delete("/api/v1/automations/{id}")]
pub(crate) async fn archive(
    caller: Allowed<AutomationsWrite>,
    hub: Data<Orchestrator>,
    id: Path<AutomationId>,
) -> Result<HttpResponse, Failure> {
    hub.automation_archive(*id, &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Pauses an automation.
///
/// New jobs are accepted and wait, running jobs go on. Send it again to change the end or the reason.
#[utoipa::path(tag = "automations", params(api_types::params::AutomationId), request_body = Option<PauseRequest>, responses(
    (status = 200, body = Automation), (status = 409, description = "The automation is archived", body = Problem)))]
#[post("/api/v1/automations/{id}/pause")]
pub(crate) async fn pause(
    caller: Allowed<AutomationsPause>,
    hub: Data<Orchestrator>,
    id: Path<AutomationId>,
    body: OptionalJsonBody<PauseRequest>,
) -> Result<HttpResponse, Failure> {
    let automation = hub.automation_pause(*id, body.0, &caller).await?;
    Ok(HttpResponse::Ok().json(shown(&hub, &automation)))
}

/// Ends the pause of an automation.
///
/// Waiting jobs start as limits allow.
#[utoipa::path(tag = "automations", params(api_types::params::AutomationId), responses(
    (status = 200, body = Automation), (status = 409, description = "The automation is not paused", body = Problem)))]
#[post("/api/v1/automations/{id}/resume")]
pub(crate) async fn resume(
    caller: Allowed<AutomationsPause>,
    hub: Data<Orchestrator>,
    id: Path<AutomationId>,
) -> Result<HttpResponse, Failure> {
    let automation = hub.automation_resume(*id, &caller).await?;
    Ok(HttpResponse::Ok().json(shown(&hub, &automation)))
}

fn shown(hub: &Orchestrator, automation: &store::automations::Automation) -> Automation {
    hub.automation_shown(automation)
}

/// Runs an automation.
///
/// The body is the parameters object itself and may be empty; the query overrides the automation's settings for this job. The answer is 202 once
/// the job is stored.
#[utoipa::path(tag = "automations", params(api_types::params::AutomationId, ExecuteOptions,
    api_types::params::IdempotencyKey),
    request_body(content = Option<Object>, description = "The parameters", example = json!({"cnpj": "12345678000195", "month": "2026-10"})), responses(
    (status = 202, body = Job, headers(("Idempotency-Replayed" = bool, description = "`true`: the job was there before the request"))),
    (status = 400, description = "The body is not an object", body = Problem),
    (status = 409, description = "The automation is archived, or its overlap rule skips the request: `job_id` is the job in the way", body = Problem),
    (status = 422, description = "The parameters break the schema, or the key was used with others", body = Problem)))]
#[post("/api/v1/automations/{id}/execute")]
pub(crate) async fn execute(
    caller: Allowed<JobsCreate>,
    request: HttpRequest,
    hub: Data<Orchestrator>,
    query: Params<ExecuteOptions>,
    body: OptionalJsonBody<Option<Value>>,
) -> Result<HttpResponse, Failure> {
    let automation_id = request.match_info().get("id").and_then(|id| id.parse().ok());
    let automation_id = automation_id.ok_or_else(|| Failure::BadQuery(vec![domain::Fault::new("id", "must be an integer")]))?;
    let parameters = match body.0 {
        None => serde_json::Map::new(),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(Failure::BadRequest("the body must be the parameters as a JSON object".to_owned())),
    };
    let job = domain::job::Request {
        parameters,
        overrides: overrides(query.0, (hub.clock)())?,
        trigger: Trigger::Api,
        version_id: None,
        environment: None,
        origin: Origin { requested_by: Some(caller.name()), ..Origin::default() },
    };
    let ask = Ask { automation_id, request: job, key: header_key(idempotency_key(&request)?)? };
    let (job, replayed) = hub.execute(ask).await.map_err(|failure| parameters_are_the_body(key_in_header(failure)))?;
    Ok(accepted(&job, replayed))
}

/// The failure of a request whose body is the parameters: their fields are those of the body.
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

/// What the query says about this job alone.
fn overrides(options: ExecuteOptions, now: DateTime<Utc>) -> Result<Overrides, Failure> {
    let ExecuteOptions { priority, timeout_s, queue_timeout_s, max_attempts, cancel_grace_s, concurrency_key, not_before } = options;
    let overrides = Overrides { priority, timeout_s, queue_timeout_s, max_attempts, cancel_grace_s, concurrency_key, not_before };
    let faults = overrides.faults(now);
    if faults.is_empty() { Ok(overrides) } else { Err(Failure::BadQuery(faults)) }
}
