use actix_web::{
    HttpRequest, HttpResponse, delete, get, post,
    web::{Data, Path},
};
use api_types::{Problem, WorkerToken, WorkerTokenCreate, WorkerTokenCreated, WorkerTokenFilter};
use auth::need::WorkerManage;
use domain::ids::TokenId;
use runtime::{Access, Allowed, Changing, Failure, JsonBody, Params, page, page_size};

use crate::workers::Tokens;

/// Creates a token for a worker.
///
/// Only this answer shows the token: the hub stores its hash.
#[utoipa::path(tag = "worker tokens", extensions(("x-permission" = json!("worker.manage"))), request_body = WorkerTokenCreate, responses(
    (status = 201, body = WorkerTokenCreated),
    (status = 404, description = "The caller sees no automation of a queue that is named", body = Problem)))]
#[post("/api/v1/worker-tokens")]
pub(crate) async fn create(
    caller: Changing<WorkerManage>,
    tokens: Data<Tokens>,
    body: JsonBody<WorkerTokenCreate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Created().json(tokens.create(&caller, body.0).await?))
}

/// Lists worker tokens in order of creation, revoked ones included, 100 a page.
#[utoipa::path(tag = "worker tokens", extensions(("x-permission" = json!("worker.manage"))), params(WorkerTokenFilter), responses(
    (status = 200, body = Vec<WorkerToken>)))]
#[get("/api/v1/worker-tokens")]
pub(crate) async fn list(
    caller: Allowed<WorkerManage>,
    request: HttpRequest,
    tokens: Data<Tokens>,
    query: Params<WorkerTokenFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let found = tokens.list(&caller, query.0.after, limit).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Revokes a worker token.
///
/// The answering replica refuses the token at once, the others within 2 s. Revoking it again has no effect.
#[utoipa::path(tag = "worker tokens", extensions(("x-permission" = json!("worker.manage"))), params(api_types::params::WorkerTokenId), responses(
    (status = 204)))]
#[delete("/api/v1/worker-tokens/{id}")]
pub(crate) async fn revoke(
    caller: Changing<WorkerManage>,
    tokens: Data<Tokens>,
    access: Data<Access>,
    id: Path<TokenId>,
) -> Result<HttpResponse, Failure> {
    tokens.revoke(&caller, *id).await?;
    access.worker_tokens.forget(*id);
    Ok(HttpResponse::NoContent().finish())
}
