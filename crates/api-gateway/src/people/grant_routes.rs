use actix_web::{
    HttpResponse, delete, get, post,
    web::{Data, Path},
};
use api_types::{Grant, GrantCreate, Problem};
use auth::need::AdminManage;
use domain::ids::{GrantId, UserId};
use runtime::{Allowed, Changing, Failure, JsonBody};

use super::grants::to_api;
use crate::service::Gateway;

/// Lists what a user may do, and where.
#[utoipa::path(tag = "users", params(api_types::params::UserId), extensions(("x-permission" = json!("admin.manage"))), responses(
    (status = 200, body = Vec<Grant>)))]
#[get("/api/v1/users/{id}/grants")]
pub(crate) async fn grants(_caller: Allowed<AdminManage>, gateway: Data<Gateway>, id: Path<UserId>) -> Result<HttpResponse, Failure> {
    let held = gateway.people.grants(*id).await?;
    Ok(HttpResponse::Ok().json(held.into_iter().map(to_api).collect::<Vec<_>>()))
}

/// Grants a user a role or a permission: everywhere, in a domain, on one automation, or on the automations with a label.
///
/// It counts at once on the answering replica, within a second on the others.
#[utoipa::path(tag = "users", params(api_types::params::UserId), request_body = GrantCreate,
    extensions(("x-permission" = json!("admin.manage"))), responses(
    (status = 201, body = Grant), (status = 409, description = "`already_granted` or `too_many_grants`", body = Problem)))]
#[post("/api/v1/users/{id}/grants")]
pub(crate) async fn grant_add(
    caller: Changing<AdminManage>,
    gateway: Data<Gateway>,
    id: Path<UserId>,
    body: JsonBody<GrantCreate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Created().json(to_api(gateway.people.grant(caller.change(), *id, body.0).await?)))
}

/// Takes a grant away from a user.
///
/// It counts at once on the answering replica, within a second on the others.
#[utoipa::path(tag = "users", params(("id" = uuid::Uuid, Path, description = "The user's"), ("grant_id" = uuid::Uuid, Path, description = "The grant's")),
    extensions(("x-permission" = json!("admin.manage"))), responses(
    (status = 204, description = "The user does not have it any more"),
    (status = 404, description = "The user has no such grant", body = Problem),
    (status = 409, description = "`last_administrator`: nobody else may manage the hub", body = Problem)))]
#[delete("/api/v1/users/{id}/grants/{grant_id}")]
pub(crate) async fn grant_remove(
    caller: Changing<AdminManage>,
    gateway: Data<Gateway>,
    path: Path<(UserId, GrantId)>,
) -> Result<HttpResponse, Failure> {
    let (user, grant) = path.into_inner();
    gateway.people.revoke(caller.change(), user, grant).await?;
    Ok(HttpResponse::NoContent().finish())
}
