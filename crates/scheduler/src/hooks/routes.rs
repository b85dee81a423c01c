use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::{StatusCode, header},
    post, put,
    web::{Data, Path},
};
use api_types::{Hook, HookAnswer, HookCreate, HookDelivery, HookDeliveryFilter, HookFilter, HookRotate, HookShown, HookUpdate, Problem};
use auth::need::{RobotPublish, RobotRead, RobotRun, RunCancel, RunRead};
use domain::ids::{HookDeliveryId, HookId};
use runtime::{Allowed, Changing, Failure, JsonBody, OptionalJsonBody, Params, page, page_size};
use store::hooks::Filter;

use super::{Hooks, deliveries::Wanted};

/// Creates a hook: an address at which requests of another system start jobs of an automation.
///
/// Only this answer shows the token and the secret: the hub keeps a hash of the one, and the other sealed. Senders send to
/// `POST /api/v1/hooks/{token}`. 409: the automation is archived, or the hub has no master key to seal the secret with.
#[utoipa::path(tag = "hooks", extensions(("x-permission" = json!("robot.publish"))), request_body = HookCreate, responses(
    (status = 201, body = HookShown), (status = 404, description = "No such automation", body = Problem),
    (status = 409, description = "The automation is archived", body = Problem)))]
#[post("/api/v1/hooks")]
pub(crate) async fn create(
    caller: Changing<RobotPublish>,
    hooks: Data<Hooks>,
    body: JsonBody<HookCreate>,
) -> Result<HttpResponse, Failure> {
    let shown = hooks.create(&caller, body.0).await?;
    let location = format!("/api/v1/hooks/{}", shown.hook.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(shown))
}

/// Lists hooks in order of creation, 100 a page.
#[utoipa::path(tag = "hooks", extensions(("x-permission" = json!("robot.read"))), params(HookFilter), responses((status = 200, body = Vec<Hook>)))]
#[get("/api/v1/hooks")]
pub(crate) async fn list(
    caller: Allowed<RobotRead>,
    request: HttpRequest,
    hooks: Data<Hooks>,
    query: Params<HookFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let HookFilter { limit: _, after, automation_id, name } = query.0;
    let found = hooks.list(&caller, &Filter { automation_id, name, after, limit: limit.into() }).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Returns a hook.
#[utoipa::path(tag = "hooks", extensions(("x-permission" = json!("robot.read"))), params(api_types::params::HookId), responses((status = 200, body = Hook)))]
#[get("/api/v1/hooks/{hook}")]
pub(crate) async fn get(caller: Allowed<RobotRead>, hooks: Data<Hooks>, hook: Path<HookId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(hooks.get(&caller, *hook).await?))
}

/// Changes a hook.
///
/// Absent fields keep their values. Another scheme of the signature has another secret, which the answer shows.
#[utoipa::path(tag = "hooks", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::HookId), request_body = HookUpdate, responses(
    (status = 200, body = HookShown), (status = 409, description = "The hub has no master key to seal the secret with", body = Problem)))]
#[put("/api/v1/hooks/{hook}")]
pub(crate) async fn update(
    caller: Changing<RobotPublish>,
    hooks: Data<Hooks>,
    hook: Path<HookId>,
    body: JsonBody<HookUpdate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(hooks.update(&caller, *hook, body.0).await?))
}

/// Deletes a hook with its deliveries. Its jobs stay.
#[utoipa::path(tag = "hooks", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::HookId), responses((status = 204)))]
#[delete("/api/v1/hooks/{hook}")]
pub(crate) async fn delete(caller: Changing<RobotPublish>, hooks: Data<Hooks>, hook: Path<HookId>) -> Result<HttpResponse, Failure> {
    hooks.delete(&caller, *hook).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Replaces the token or the secret of a hook, or both.
///
/// The old one still counts for a day, or as long as the request says; one that an earlier rotation left ends now. Only this answer shows the new one.
#[utoipa::path(tag = "hooks", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::HookId), request_body = Option<HookRotate>, responses(
    (status = 200, body = HookShown), (status = 409, description = "The hub has no master key to seal the secret with", body = Problem)))]
#[post("/api/v1/hooks/{hook}/rotate")]
pub(crate) async fn rotate(
    caller: Changing<RobotPublish>,
    hooks: Data<Hooks>,
    hook: Path<HookId>,
    body: OptionalJsonBody<HookRotate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(hooks.rotate(&caller, *hook, body.0).await?))
}

/// Pauses a hook.
///
/// Its requests are refused with 503 and `Retry-After`, so that senders that try again lose none. Repeating the request has no effect.
#[utoipa::path(tag = "hooks", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::HookId), responses((status = 200, body = Hook)))]
#[post("/api/v1/hooks/{hook}/pause")]
pub(crate) async fn pause(caller: Changing<RunCancel>, hooks: Data<Hooks>, hook: Path<HookId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(hooks.pause(&caller, *hook, true).await?))
}

/// Resumes a hook. Repeating the request has no effect.
#[utoipa::path(tag = "hooks", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::HookId), responses((status = 200, body = Hook)))]
#[post("/api/v1/hooks/{hook}/resume")]
pub(crate) async fn resume(caller: Changing<RunCancel>, hooks: Data<Hooks>, hook: Path<HookId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(hooks.pause(&caller, *hook, false).await?))
}

/// Lists what came to a hook, newest first, 100 a page, without the bodies.
///
/// Kept for `retention.hook_deliveries`; the newest 1000 of a hook with their content. What was refused because of its rate is not among them.
#[utoipa::path(tag = "hooks", extensions(("x-permission" = json!("run.read"))), params(api_types::params::HookId, HookDeliveryFilter), responses(
    (status = 200, body = Vec<HookDelivery>)))]
#[get("/api/v1/hooks/{hook}/deliveries")]
pub(crate) async fn deliveries(
    caller: Allowed<RunRead>,
    request: HttpRequest,
    hooks: Data<Hooks>,
    hook: Path<HookId>,
    query: Params<HookDeliveryFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let HookDeliveryFilter { limit: _, after, outcome } = query.0;
    let found = hooks.deliveries(&caller, *hook, &Wanted { outcome, after, limit }).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Returns one delivery with its body.
#[utoipa::path(tag = "hooks", extensions(("x-permission" = json!("run.read"))), params(
    ("hook" = uuid::Uuid, Path, description = "Id of the hook"), ("id" = uuid::Uuid, Path, description = "Id of the delivery")), responses((status = 200, body = HookDelivery)))]
#[get("/api/v1/hooks/{hook}/deliveries/{id}")]
pub(crate) async fn delivery(
    caller: Allowed<RunRead>,
    hooks: Data<Hooks>,
    path: Path<(HookId, HookDeliveryId)>,
) -> Result<HttpResponse, Failure> {
    let (hook, id) = path.into_inner();
    Ok(HttpResponse::Ok().json(hooks.delivery(&caller, hook, id).await?))
}

/// Handles a kept delivery again, by the hook's rules of now.
///
/// For one that was refused or filtered before the hook was corrected. One that has a job is answered with it, as any repeated request is. Its sender
/// was proved when it came: one that was not is not kept. 409: its body is not kept.
#[utoipa::path(tag = "hooks", extensions(("x-permission" = json!("robot.run"))), params(
    ("hook" = uuid::Uuid, Path, description = "Id of the hook"), ("id" = uuid::Uuid, Path, description = "Id of the delivery")), responses(
    (status = 202, description = "The job is stored, or was before", body = HookAnswer),
    (status = 200, description = "The request starts no job", body = HookAnswer),
    (status = 409, description = "Its body is not kept, or the automation is archived", body = Problem),
    (status = 422, description = "The body lacks what the hook takes from it, or the parameters do not match the automation's schema", body = Problem)))]
#[post("/api/v1/hooks/{hook}/deliveries/{id}/redeliver")]
pub(crate) async fn redeliver(
    caller: Changing<RobotRun>,
    hooks: Data<Hooks>,
    path: Path<(HookId, HookDeliveryId)>,
) -> Result<HttpResponse, Failure> {
    let (hook, id) = path.into_inner();
    let (status, answer) = hooks.redeliver(&caller, hook, id).await?;
    Ok(HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::ACCEPTED)).json(answer))
}
