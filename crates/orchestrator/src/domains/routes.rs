use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header,
    post, put,
    web::{Data, Path},
};
use api_types::{Domain, DomainCreate, DomainFilter, DomainUpdate, Problem};
use auth::need::{AdminManage, RobotRead};
use domain::ids::DomainId;
use runtime::{Allowed, Changing, Failure, JsonBody, Params, page, page_size};

use store::domains::Filter;

use super::{Domains, manage::to_api};

/// Adds a domain.
#[utoipa::path(tag = "domains", request_body = DomainCreate, extensions(("x-permission" = json!("admin.manage"))), responses(
    (status = 201, body = Domain), (status = 409, description = "The slug is taken", body = Problem)))]
#[post("/api/v1/domains")]
pub(crate) async fn create(
    caller: Changing<AdminManage>,
    domains: Data<Domains>,
    body: JsonBody<DomainCreate>,
) -> Result<HttpResponse, Failure> {
    let domain = domains.create(&caller, body.0).await?;
    let location = format!("/api/v1/domains/{}", domain.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(to_api(domain)))
}

/// Lists domains by slug, 100 a page.
///
/// Only those that the caller may read automations of.
#[utoipa::path(tag = "domains", params(DomainFilter), extensions(("x-permission" = json!("robot.read"))), responses(
    (status = 200, body = Vec<Domain>)))]
#[get("/api/v1/domains")]
pub(crate) async fn list(
    caller: Allowed<RobotRead>,
    request: HttpRequest,
    domains: Data<Domains>,
    query: Params<DomainFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let DomainFilter { limit: _, slug, after } = query.0;
    let found = domains.list(&caller, &Filter { slug, after, limit: limit.into() }).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.slug.clone());
    Ok(page(request.path(), request.query_string(), next).json(found.into_iter().map(to_api).collect::<Vec<_>>()))
}

/// Returns a domain.
#[utoipa::path(tag = "domains", params(api_types::params::DomainId), extensions(("x-permission" = json!("robot.read"))), responses(
    (status = 200, body = Domain)))]
#[get("/api/v1/domains/{id}")]
pub(crate) async fn get(caller: Allowed<RobotRead>, domains: Data<Domains>, id: Path<DomainId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(to_api(domains.get(&caller, *id).await?)))
}

/// Changes the slug or the name of a domain.
///
/// Grants and automations refer to it by its id and stay as they are.
#[utoipa::path(tag = "domains", params(api_types::params::DomainId), request_body = DomainUpdate,
    extensions(("x-permission" = json!("admin.manage"))), responses(
    (status = 200, body = Domain), (status = 409, description = "The slug is taken", body = Problem)))]
#[put("/api/v1/domains/{id}")]
pub(crate) async fn update(
    caller: Changing<AdminManage>,
    domains: Data<Domains>,
    id: Path<DomainId>,
    body: JsonBody<DomainUpdate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(to_api(domains.update(&caller, *id, body.0).await?)))
}

/// Deletes a domain that owns no automations, with the grants that were narrowed to it.
#[utoipa::path(tag = "domains", params(api_types::params::DomainId), extensions(("x-permission" = json!("admin.manage"))), responses(
    (status = 204), (status = 409, description = "Automations belong to it, or SLA rules are about it", body = Problem)))]
#[delete("/api/v1/domains/{id}")]
pub(crate) async fn delete(caller: Changing<AdminManage>, domains: Data<Domains>, id: Path<DomainId>) -> Result<HttpResponse, Failure> {
    domains.delete(&caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
