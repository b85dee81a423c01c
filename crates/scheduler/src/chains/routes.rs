use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header,
    post, put,
    web::{Data, Path},
};
use api_types::{Chain, ChainCreate, ChainFilter, ChainRun, ChainRunFilter, ChainUpdate, Problem};
use auth::need::{RobotPublish, RobotRead, RunCancel, RunRead};
use domain::ids::ChainId;
use runtime::{Allowed, Changing, Failure, JsonBody, Params, page};

use super::Chains;

/// Creates a chain: an automation that runs after others have ended.
///
/// Ends from now on count. The caller must see the automations that it waits for. 422 names each field that is wrong, also when an automation would
/// start itself, directly or over other chains. 409: its automation is archived, or has a chain of this name.
#[utoipa::path(tag = "chains", extensions(("x-permission" = json!("robot.publish"))), request_body = ChainCreate, responses(
    (status = 201, body = Chain), (status = 404, description = "No such automation", body = Problem),
    (status = 409, description = "The automation is archived, or the name is taken", body = Problem)))]
#[post("/api/v1/chains")]
pub(crate) async fn create(
    caller: Changing<RobotPublish>,
    chains: Data<Chains>,
    body: JsonBody<ChainCreate>,
) -> Result<HttpResponse, Failure> {
    let chain = chains.create(&caller, body.0).await?;
    let location = format!("/api/v1/chains/{}", chain.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(chain))
}

/// Lists chains in order of creation, 100 a page.
#[utoipa::path(tag = "chains", extensions(("x-permission" = json!("robot.read"))), params(ChainFilter), responses((status = 200, body = Vec<Chain>)))]
#[get("/api/v1/chains")]
pub(crate) async fn list(
    caller: Allowed<RobotRead>,
    request: HttpRequest,
    chains: Data<Chains>,
    query: Params<ChainFilter>,
) -> Result<HttpResponse, Failure> {
    let (found, next) = chains.list(&caller, query.0).await?;
    Ok(page(request.path(), request.query_string(), next.map(|id| id.to_string())).json(found))
}

/// Returns a chain.
#[utoipa::path(tag = "chains", extensions(("x-permission" = json!("robot.read"))), params(api_types::params::ChainId), responses((status = 200, body = Chain)))]
#[get("/api/v1/chains/{id}")]
pub(crate) async fn get(caller: Allowed<RobotRead>, chains: Data<Chains>, id: Path<ChainId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(chains.get(&caller, *id).await?))
}

/// Changes a chain.
///
/// Absent fields keep their values; null clears `not_before`. When its inputs or its join change, or it is switched on, ends from now on count. The
/// answer of `GET` can be sent back; an outdated `revision` is answered 409.
#[utoipa::path(tag = "chains", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::ChainId), request_body = ChainUpdate, responses(
    (status = 200, body = Chain), (status = 409, description = "The name is taken, or somebody changed it meanwhile", body = Problem)))]
#[put("/api/v1/chains/{id}")]
pub(crate) async fn update(
    caller: Changing<RobotPublish>,
    chains: Data<Chains>,
    id: Path<ChainId>,
    body: JsonBody<ChainUpdate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(chains.update(&caller, *id, body.0).await?))
}

/// Deletes a chain with its runs.
///
/// Its jobs stay; a run that waits gets none.
#[utoipa::path(tag = "chains", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::ChainId), responses((status = 204)))]
#[delete("/api/v1/chains/{id}")]
pub(crate) async fn delete(caller: Changing<RobotPublish>, chains: Data<Chains>, id: Path<ChainId>) -> Result<HttpResponse, Failure> {
    chains.delete(&caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Switches a chain on.
///
/// Ends from now on count. Repeating the request has no effect.
#[utoipa::path(tag = "chains", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::ChainId), responses(
    (status = 200, body = Chain), (status = 409, description = "Somebody changed it meanwhile", body = Problem)))]
#[post("/api/v1/chains/{id}/enable")]
pub(crate) async fn enable(caller: Changing<RunCancel>, chains: Data<Chains>, id: Path<ChainId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(chains.switch(&caller, *id, true).await?))
}

/// Switches a chain off.
///
/// No end counts, and runs that wait get no job. Repeating the request has no effect.
#[utoipa::path(tag = "chains", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::ChainId), responses(
    (status = 200, body = Chain), (status = 409, description = "Somebody changed it meanwhile", body = Problem)))]
#[post("/api/v1/chains/{id}/disable")]
pub(crate) async fn disable(caller: Changing<RunCancel>, chains: Data<Chains>, id: Path<ChainId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(chains.switch(&caller, *id, false).await?))
}

/// Lists the runs of a chain, newest first, 100 a page: their jobs, or why they have none.
///
/// Kept as long as jobs.
#[utoipa::path(tag = "chains", extensions(("x-permission" = json!("run.read"))), params(api_types::params::ChainId, ChainRunFilter), responses(
    (status = 200, body = Vec<ChainRun>)))]
#[get("/api/v1/chains/{id}/runs")]
pub(crate) async fn runs(
    caller: Allowed<RunRead>,
    request: HttpRequest,
    chains: Data<Chains>,
    id: Path<ChainId>,
    query: Params<ChainRunFilter>,
) -> Result<HttpResponse, Failure> {
    let (found, next) = chains.runs(&caller, *id, query.0).await?;
    Ok(page(request.path(), request.query_string(), next).json(found))
}
