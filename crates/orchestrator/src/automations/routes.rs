use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header,
    post, put,
    web::{Data, Path},
};
use api_types::{Automation, AutomationCreate, AutomationUpdate, ExecuteOptions, Job, PauseRequest, Problem};
use auth::need::{AutomationsPause, AutomationsRead, AutomationsWrite, JobsCreate};
use chrono::{DateTime, Utc};
use domain::{ids::AutomationId, job::Trigger, policy::Overrides};
use runtime::{Allowed, Failure, JsonBody, OptionalJsonBody, Params};
use serde::Deserialize;
use serde_json::Value;
use store::automations::Filter;

use crate::{
    Orchestrator,
    jobs::{Execution, KEY_HEADER, accepted, idempotency_key},
    pages::{page, page_size},
};

/// Registers an automation.
#[utoipa::path(tag = "automations", request_body = AutomationCreate, responses(
    (status = 201, body = Automation), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 409, description = "The name is taken", body = Problem), (status = 422, body = Problem)))]
#[post("/api/v1/automations")]
pub(crate) async fn create(
    _: Allowed<AutomationsWrite>,
    hub: Data<Orchestrator>,
    body: JsonBody<AutomationCreate>,
) -> Result<HttpResponse, Failure> {
    let automation = hub.automation_create(body.0).await?;
    let location = format!("/api/v1/automations/{}", automation.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(shown(&hub, &automation)))
}

#[derive(Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Page size, 1 to 1000 (default 100).
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Id of the last automation of the page before.
    #[param(value_type = Option<i32>)]
    after: Option<AutomationId>,
    /// Also archived ones.
    archived: bool,
}

/// Lists automations by id.
#[utoipa::path(tag = "automations", params(ListQuery), responses(
    (status = 200, body = Vec<Automation>), (status = 400, body = Problem), (status = 401, body = Problem)))]
#[get("/api/v1/automations")]
pub(crate) async fn list(
    _: Allowed<AutomationsRead>,
    request: HttpRequest,
    hub: Data<Orchestrator>,
    query: Params<ListQuery>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let filter = Filter { archived: query.0.archived, limit: limit.into(), after: query.0.after };
    let found = hub.automation_list(&filter).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found.iter().map(|automation| shown(&hub, automation)).collect::<Vec<_>>()))
}

/// One automation.
#[utoipa::path(tag = "automations", params(("id" = i32, Path)), responses(
    (status = 200, body = Automation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)))]
#[get("/api/v1/automations/{id}")]
pub(crate) async fn get(_: Allowed<AutomationsRead>, hub: Data<Orchestrator>, id: Path<AutomationId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(shown(&hub, &hub.automation(*id).await?)))
}

/// Changes the fields that are given.
#[utoipa::path(tag = "automations", params(("id" = i32, Path)), request_body = AutomationUpdate, responses(
    (status = 200, body = Automation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, description = "The name is taken", body = Problem), (status = 422, body = Problem)))]
#[put("/api/v1/automations/{id}")]
pub(crate) async fn update(
    _: Allowed<AutomationsWrite>,
    hub: Data<Orchestrator>,
    id: Path<AutomationId>,
    body: JsonBody<AutomationUpdate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(shown(&hub, &hub.automation_update(*id, body.0).await?)))
}

/// Archives an automation: it takes no more jobs, and stays with those that it has. What waits still runs, under its limits; bulk cancel stops it.
#[utoipa::path(tag = "automations", params(("id" = i32, Path)), responses(
    (status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)))]
#[delete("/api/v1/automations/{id}")]
pub(crate) async fn archive(
    _: Allowed<AutomationsWrite>,
    hub: Data<Orchestrator>,
    id: Path<AutomationId>,
) -> Result<HttpResponse, Failure> {
    hub.automation_archive(*id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Pauses an automation: its jobs are accepted and wait; those that run go on. A pause that lasts is changed.
#[utoipa::path(tag = "automations", params(("id" = i32, Path)), request_body = Option<PauseRequest>, responses(
    (status = 200, body = Automation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, description = "The automation is archived", body = Problem), (status = 422, body = Problem)))]
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

/// Ends a pause: the jobs that wait start as there is room.
#[utoipa::path(tag = "automations", params(("id" = i32, Path)), responses(
    (status = 200, body = Automation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, description = "The automation is not paused", body = Problem)))]
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

/// Runs an automation. The body is the parameters object itself; it may be empty.
#[utoipa::path(tag = "automations", params(("id" = i32, Path), ExecuteOptions,
    ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request returns the same job, with another request 422; 1 to 255 bytes")),
    request_body(content = Option<Object>, description = "The parameters"), responses(
    (status = 202, body = Job), (status = 400, description = "The body is not an object", body = Problem), (status = 401, body = Problem),
    (status = 404, body = Problem), (status = 409, description = "The automation is archived", body = Problem),
    (status = 413, body = Problem), (status = 422, description = "The parameters break the schema, or the key was used with others", body = Problem), (status = 503, body = Problem)))]
#[post("/api/v1/automations/{id}/execute")]
pub(crate) async fn execute(
    _: Allowed<JobsCreate>,
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
    let execution = Execution {
        automation_id,
        parameters,
        overrides: overrides(query.0, (hub.clock)())?,
        idempotency_key: idempotency_key(&request)?,
        key_field: KEY_HEADER,
        trigger: Trigger::Api,
        retry_of: None,
        version_id: None,
        environment: None,
        parameters_field: false,
    };
    let (job, replayed) = hub.execute(execution).await?;
    Ok(accepted(&job, replayed))
}

/// What the query says about this job alone.
fn overrides(options: ExecuteOptions, now: DateTime<Utc>) -> Result<Overrides, Failure> {
    let ExecuteOptions { priority, timeout_s, queue_timeout_s, max_attempts, cancel_grace_s, concurrency_key, not_before } = options;
    let overrides = Overrides { priority, timeout_s, queue_timeout_s, max_attempts, cancel_grace_s, concurrency_key, not_before };
    let faults = overrides.faults(now);
    if faults.is_empty() { Ok(overrides) } else { Err(Failure::BadQuery(faults)) }
}
