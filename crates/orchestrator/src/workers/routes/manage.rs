use actix_web::{
    HttpRequest, HttpResponse, delete, get, post,
    web::{Data, Path},
};
use api_types::{Problem, Worker, WorkerDetail, WorkerFilter};
use auth::need::{WorkerManage, WorkerRead};
use domain::{Fault, ids::WorkerId, worker::State};
use runtime::{Allowed, Changing, Failure, Params, page, page_size};
use store::workers::Filter;

use crate::workers::Workers;

/// Lists workers in order of registration, 100 a page.
#[utoipa::path(tag = "workers", extensions(("x-permission" = json!("worker.read"))), params(WorkerFilter), responses(
    (status = 200, body = Vec<Worker>)))]
#[get("/api/v1/workers")]
pub(crate) async fn list(
    caller: Allowed<WorkerRead>,
    request: HttpRequest,
    workers: Data<Workers>,
    query: Params<WorkerFilter>,
) -> Result<HttpResponse, Failure> {
    let filter = filter(query.0)?;
    let found = workers.list(&caller, &filter).await?;
    let next = found.last().filter(|_| found.len() == filter.limit).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

fn filter(query: WorkerFilter) -> Result<Filter, Failure> {
    let state = |word: &String| word.parse::<State>().map_err(|unknown| Failure::BadQuery(vec![Fault::new("state", unknown.to_string())]));
    Ok(Filter {
        state: query.state.as_ref().map(state).transpose()?,
        queue: query.queue,
        label: query.label.map(|label| label.to_ascii_lowercase()),
        limit: page_size(query.limit, 100, 1000)? as usize,
        after: query.after,
    })
}

/// Returns a worker with the jobs it holds.
#[utoipa::path(tag = "workers", extensions(("x-permission" = json!("worker.read"))), params(api_types::params::WorkerId), responses(
    (status = 200, body = WorkerDetail)))]
#[get("/api/v1/workers/{id}")]
pub(crate) async fn get(caller: Allowed<WorkerRead>, workers: Data<Workers>, id: Path<WorkerId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(workers.detail(&caller, *id).await?))
}

/// Drains a running worker.
///
/// The worker finishes its jobs and takes no new ones until it is resumed, even after a restart.
#[utoipa::path(tag = "workers", extensions(("x-permission" = json!("worker.manage"))), params(api_types::params::WorkerId), responses(
    (status = 200, body = Worker), (status = 409, description = "The worker is paused, stopped or lost", body = Problem)))]
#[post("/api/v1/workers/{id}/pause")]
pub(crate) async fn pause(caller: Changing<WorkerManage>, workers: Data<Workers>, id: Path<WorkerId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(workers.pause(&caller, *id).await?))
}

/// Resumes a paused worker.
///
/// A stopped or lost worker takes jobs again when it returns.
#[utoipa::path(tag = "workers", extensions(("x-permission" = json!("worker.manage"))), params(api_types::params::WorkerId), responses(
    (status = 200, body = Worker), (status = 409, description = "The worker is not paused", body = Problem)))]
#[post("/api/v1/workers/{id}/resume")]
pub(crate) async fn resume(caller: Changing<WorkerManage>, workers: Data<Workers>, id: Path<WorkerId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(workers.resume(&caller, *id).await?))
}

/// Deletes a worker that is stopped or lost.
///
/// If it returns, it registers under a new id.
#[utoipa::path(tag = "workers", extensions(("x-permission" = json!("worker.manage"))), params(api_types::params::WorkerId), responses(
    (status = 204), (status = 409, description = "The worker is alive", body = Problem)))]
#[delete("/api/v1/workers/{id}")]
pub(crate) async fn delete(caller: Changing<WorkerManage>, workers: Data<Workers>, id: Path<WorkerId>) -> Result<HttpResponse, Failure> {
    workers.delete(&caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
