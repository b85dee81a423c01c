use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header,
    post, put,
    web::{Data, Path},
};
use api_types::{Automation, AutomationArchived, AutomationCreate, AutomationFilter, AutomationUpdate, PauseRequest, Problem};
use auth::need::{RobotPublish, RobotRead, RunCancel};
use domain::{Fault, automation::MAX_NAME, ids::AutomationId, policy::labels};
use runtime::{Allowed, Changing, Failure, JsonBody, OptionalJsonBody, Params, page, page_size};
use store::automations::Filter;

use super::Automations;

/// Registers an automation.
///
/// `warnings` of the answer lists what has not taken effect yet. 409: the name is taken.
#[utoipa::path(tag = "automations", extensions(("x-permission" = json!("robot.publish"))), request_body = AutomationCreate, responses(
    (status = 201, body = Automation), (status = 409, description = "The name is taken", body = Problem)))]
#[post("/api/v1/automations")]
pub(crate) async fn create(
    caller: Changing<RobotPublish>,
    automations: Data<Automations>,
    body: JsonBody<AutomationCreate>,
) -> Result<HttpResponse, Failure> {
    let automation = automations.create(&caller, body.0).await?;
    let location = format!("/api/v1/automations/{}", automation.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(automations.shown(&automation)))
}

/// Lists automations by id, 100 a page.
///
/// Archived automations are omitted unless `archived=true`. `name` finds an automation by its exact name, `search` those whose names contain a text,
/// `domain` and `label` those of a business area or with a label.
#[utoipa::path(tag = "automations", extensions(("x-permission" = json!("robot.read"))), params(AutomationFilter), responses(
    (status = 200, body = Vec<Automation>)))]
#[get("/api/v1/automations")]
pub(crate) async fn list(
    caller: Allowed<RobotRead>,
    request: HttpRequest,
    automations: Data<Automations>,
    query: Params<AutomationFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let AutomationFilter { limit: _, after, name, search, domain, label, archived } = query.0;
    check_texts(&[("name", name.as_deref()), ("search", search.as_deref()), ("domain", domain.as_deref())])?;
    let label = label.map(own_label).transpose()?;
    let filter = Filter { archived, name, search, domain, label, limit: limit.into(), after };
    let found = automations.list(&caller, &filter).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next)
        .json(found.iter().map(|automation| automations.shown(automation)).collect::<Vec<_>>()))
}

/// Returns an automation.
#[utoipa::path(tag = "automations", extensions(("x-permission" = json!("robot.read"))), params(api_types::params::AutomationId), responses(
    (status = 200, body = Automation)))]
#[get("/api/v1/automations/{id}")]
pub(crate) async fn get(
    caller: Allowed<RobotRead>,
    automations: Data<Automations>,
    id: Path<AutomationId>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(automations.shown(&automations.get(&caller, *id).await?)))
}

/// Changes an automation.
///
/// Absent fields keep their values; null clears an optional field. The answer of `GET` can be sent back; an outdated `updated_at` is
/// answered 409.
#[utoipa::path(tag = "automations", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::AutomationId), request_body = AutomationUpdate, responses(
    (status = 200, body = Automation), (status = 409, description = "The name is taken", body = Problem)))]
#[put("/api/v1/automations/{id}")]
pub(crate) async fn update(
    caller: Changing<RobotPublish>,
    automations: Data<Automations>,
    id: Path<AutomationId>,
    body: JsonBody<AutomationUpdate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(automations.shown(&automations.update(&caller, *id, body.0).await?)))
}

/// Archives an automation.
///
/// An archived automation accepts no more jobs and keeps its existing ones. Pending jobs still run, within its limits; cancel them in bulk
/// if they must not. The answer has what creates no jobs of it any more.
#[utoipa::path(tag = "automations", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::AutomationId), responses(
    (status = 200, body = AutomationArchived)))]
#[delete("/api/v1/automations/{id}")]
pub(crate) async fn archive(
    caller: Changing<RobotPublish>,
    automations: Data<Automations>,
    id: Path<AutomationId>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(automations.archive(&caller, *id).await?))
}

/// Pauses an automation.
///
/// New jobs are accepted and stay pending; running jobs continue. Repeat the request to change the end or the reason.
#[utoipa::path(tag = "automations", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::AutomationId), request_body = Option<PauseRequest>, responses(
    (status = 200, body = Automation), (status = 409, description = "The automation is archived", body = Problem)))]
#[post("/api/v1/automations/{id}/pause")]
pub(crate) async fn pause(
    caller: Changing<RunCancel>,
    automations: Data<Automations>,
    id: Path<AutomationId>,
    body: OptionalJsonBody<PauseRequest>,
) -> Result<HttpResponse, Failure> {
    let automation = automations.pause(&caller, *id, body.0).await?;
    Ok(HttpResponse::Ok().json(automations.shown(&automation)))
}

/// Ends the pause of an automation.
///
/// Pending jobs start as limits allow.
#[utoipa::path(tag = "automations", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::AutomationId), responses(
    (status = 200, body = Automation), (status = 409, description = "The automation is not paused", body = Problem)))]
#[post("/api/v1/automations/{id}/resume")]
pub(crate) async fn resume(
    caller: Changing<RunCancel>,
    automations: Data<Automations>,
    id: Path<AutomationId>,
) -> Result<HttpResponse, Failure> {
    let automation = automations.resume(&caller, *id).await?;
    Ok(HttpResponse::Ok().json(automations.shown(&automation)))
}

fn own_label(given: String) -> Result<String, Failure> {
    let bad = |fault: Fault| Failure::BadQuery(vec![Fault::new("label", fault.message)]);
    Ok(labels(&[given]).map_err(bad)?.pop().unwrap_or_default())
}

/// No name is longer.
fn check_texts(texts: &[(&str, Option<&str>)]) -> Result<(), Failure> {
    let is_long = |text: &str| text.chars().count() > MAX_NAME;
    let long = texts.iter().filter(|(_, text)| text.is_some_and(is_long));
    let faults: Vec<_> = long.map(|(field, _)| Fault::new(*field, format!("must have at most {MAX_NAME} characters"))).collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::BadQuery(faults)) }
}
