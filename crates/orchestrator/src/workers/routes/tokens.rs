use actix_web::{
    HttpRequest, HttpResponse, delete, get, post,
    web::{Data, Path},
};
use api_types::{Problem, WorkerToken, WorkerTokenCreate, WorkerTokenCreated, WorkerTokenFilter};
use auth::need::{WorkerTokensRead, WorkerTokensWrite};
use runtime::{Access, Allowed, Failure, JsonBody, Params};
use uuid::Uuid;

use crate::{
    Orchestrator,
    pages::{page, page_size},
};

/// Makes a token for a worker. The token is told this once: only its hash is kept.
#[utoipa::path(tag = "worker tokens", request_body = WorkerTokenCreate, responses(
    (status = 201, body = WorkerTokenCreated), (status = 400, body = Problem), (status = 401, body = Problem), (status = 422, body = Problem)))]
#[post("/api/v1/worker-tokens")]
pub(crate) async fn create(
    caller: Allowed<WorkerTokensWrite>,
    hub: Data<Orchestrator>,
    body: JsonBody<WorkerTokenCreate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Created().json(hub.worker_token_create(body.0, &caller).await?))
}

/// Lists worker tokens in the order in which they were made, the revoked ones with them.
#[utoipa::path(tag = "worker tokens", params(WorkerTokenFilter), responses(
    (status = 200, body = Vec<WorkerToken>), (status = 400, body = Problem), (status = 401, body = Problem)))]
#[get("/api/v1/worker-tokens")]
pub(crate) async fn list(
    _: Allowed<WorkerTokensRead>,
    request: HttpRequest,
    hub: Data<Orchestrator>,
    query: Params<WorkerTokenFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let found = hub.worker_token_list(query.0.after, limit).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Revokes a worker token: at once on the replica that answers, within two seconds on the others. Revoking it again changes nothing.
#[utoipa::path(tag = "worker tokens", params(("id" = Uuid, Path)), responses(
    (status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)))]
#[delete("/api/v1/worker-tokens/{id}")]
pub(crate) async fn revoke(
    caller: Allowed<WorkerTokensWrite>,
    hub: Data<Orchestrator>,
    access: Data<Access>,
    id: Path<Uuid>,
) -> Result<HttpResponse, Failure> {
    hub.worker_token_revoke(*id, &caller).await?;
    access.worker_tokens.forget(*id);
    Ok(HttpResponse::NoContent().finish())
}
