use actix_web::{
    HttpRequest, HttpResponse, delete, get, post,
    web::{Data, Path},
};
use api_types::{Problem, Worker, WorkerDetail, WorkerFilter};
use auth::need::{WorkersDelete, WorkersPause, WorkersRead};
use domain::{Fault, worker::State};
use runtime::{Allowed, Failure, Params};
use store::workers::Filter;
use uuid::Uuid;

use crate::{
    Orchestrator,
    pages::{page, page_size},
};

/// Lists workers in the order in which they first registered.
#[utoipa::path(tag = "workers", params(WorkerFilter), responses(
    (status = 200, body = Vec<Worker>), (status = 400, body = Problem), (status = 401, body = Problem)))]
#[get("/api/v1/workers")]
pub(crate) async fn list(
    _: Allowed<WorkersRead>,
    request: HttpRequest,
    hub: Data<Orchestrator>,
    query: Params<WorkerFilter>,
) -> Result<HttpResponse, Failure> {
    let filter = filter(query.0)?;
    let found = hub.worker_list(&filter).await?;
    let next = found.last().filter(|_| found.len() == filter.limit).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

fn filter(query: WorkerFilter) -> Result<Filter, Failure> {
    let known = || State::ALL.map(State::as_str).join(", ");
    let state = |word: &String| {
        let unknown = || Failure::BadQuery(vec![Fault::new("state", format!("\"{word}\" is none of {}", known()))]);
        State::parse(word).ok_or_else(unknown)
    };
    Ok(Filter {
        state: query.state.as_ref().map(state).transpose()?,
        queue: query.queue,
        label: query.label.map(|label| label.to_ascii_lowercase()),
        limit: page_size(query.limit, 100, 1000)? as usize,
        after: query.after,
    })
}

/// One worker, with the jobs it holds.
#[utoipa::path(tag = "workers", params(("id" = Uuid, Path)), responses(
    (status = 200, body = WorkerDetail), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)))]
#[get("/api/v1/workers/{id}")]
pub(crate) async fn get(_: Allowed<WorkersRead>, hub: Data<Orchestrator>, id: Path<Uuid>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(hub.worker_detail(*id).await?))
}

/// Pauses a running worker: it ends the jobs it has and takes nothing new, until it is resumed.
#[utoipa::path(tag = "workers", params(("id" = Uuid, Path)), responses(
    (status = 200, body = Worker), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, description = "The worker is paused, stopped or lost", body = Problem)))]
#[post("/api/v1/workers/{id}/pause")]
pub(crate) async fn pause(caller: Allowed<WorkersPause>, hub: Data<Orchestrator>, id: Path<Uuid>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(hub.worker_pause(*id, &caller).await?))
}

/// Lets a paused worker take jobs again; one that is stopped or lost does so when it comes back.
#[utoipa::path(tag = "workers", params(("id" = Uuid, Path)), responses(
    (status = 200, body = Worker), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, description = "The worker is not paused", body = Problem)))]
#[post("/api/v1/workers/{id}/resume")]
pub(crate) async fn resume(caller: Allowed<WorkersPause>, hub: Data<Orchestrator>, id: Path<Uuid>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(hub.worker_resume(*id, &caller).await?))
}

/// Removes a worker that is stopped or lost. When it comes back, it registers anew.
#[utoipa::path(tag = "workers", params(("id" = Uuid, Path)), responses(
    (status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 409, description = "The worker is alive", body = Problem)))]
#[delete("/api/v1/workers/{id}")]
pub(crate) async fn delete(caller: Allowed<WorkersDelete>, hub: Data<Orchestrator>, id: Path<Uuid>) -> Result<HttpResponse, Failure> {
    hub.worker_delete(*id, &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}
