use actix_web::{
    HttpRequest, HttpResponse, delete, get, post,
    web::{Data, Path},
};
use api_types::{ApiKey, ApiKeyCreate, ApiKeyCreated, ApiKeyFilter};
use domain::ids::ApiKeyId;
use runtime::{Failure, JsonBody, OwnAccount, Params, page, page_size};

use super::Manager;
use crate::service::Gateway;

/// The person who calls, unless they have to change their password first.
fn manager(account: &OwnAccount) -> Result<Manager<'_>, Failure> {
    if account.person.must_change_password {
        return Err(Failure::Forbidden("change your password first: POST /api/v1/auth/change-password".to_owned()));
    }
    Ok(Manager { user: account.person.user, principal: &account.principal })
}

/// Creates an API key, for a program that acts for its owner.
///
/// It may do what it is granted, as far as its owner may do it too. Only this answer shows the key: the hub stores its hash. Only a person who signed
/// in manages keys.
#[utoipa::path(tag = "api keys", request_body = ApiKeyCreate, responses((status = 201, body = ApiKeyCreated)))]
#[post("/api/v1/api-keys")]
pub(crate) async fn create(account: OwnAccount, gateway: Data<Gateway>, body: JsonBody<ApiKeyCreate>) -> Result<HttpResponse, Failure> {
    let created = gateway.api_keys.create(manager(&account)?, &account.change, body.0).await?;
    Ok(HttpResponse::Created().json(created))
}

/// Lists your API keys, or those of others, in order of creation, revoked ones included, 100 a page.
#[utoipa::path(tag = "api keys", params(ApiKeyFilter), responses((status = 200, body = Vec<ApiKey>)))]
#[get("/api/v1/api-keys")]
pub(crate) async fn list(
    account: OwnAccount,
    request: HttpRequest,
    gateway: Data<Gateway>,
    query: Params<ApiKeyFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let found = gateway.api_keys.list(manager(&account)?, &query.0, limit).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Returns one API key.
#[utoipa::path(tag = "api keys", params(api_types::params::ApiKeyId), responses((status = 200, body = ApiKey)))]
#[get("/api/v1/api-keys/{id}")]
pub(crate) async fn get(account: OwnAccount, gateway: Data<Gateway>, id: Path<ApiKeyId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(gateway.api_keys.get(manager(&account)?, *id).await?))
}

/// Revokes an API key.
///
/// The answering replica refuses it at once, the others within a second. Revoking it again has no effect.
#[utoipa::path(tag = "api keys", params(api_types::params::ApiKeyId), responses((status = 204)))]
#[delete("/api/v1/api-keys/{id}")]
pub(crate) async fn revoke(account: OwnAccount, gateway: Data<Gateway>, id: Path<ApiKeyId>) -> Result<HttpResponse, Failure> {
    gateway.api_keys.revoke(manager(&account)?, &account.change, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
