use actix_web::{
    HttpRequest, HttpResponse, get, post,
    web::{Data, Path},
};
use api_types::{PauseRequest, Problem, Queue, QueueFilter};
use auth::need::{RobotRead, RunCancel};
use runtime::{Allowed, Changing, Failure, OptionalJsonBody, Params, page, page_size};

use super::Queues;

/// Lists queues by name, 1000 a page.
///
/// Includes the queues of automations, queues with jobs, and paused queues.
#[utoipa::path(tag = "queues", extensions(("x-permission" = json!("robot.read"))), params(QueueFilter), responses(
    (status = 200, body = Vec<Queue>)))]
#[get("/api/v1/queues")]
pub(crate) async fn list(
    caller: Allowed<RobotRead>,
    request: HttpRequest,
    queues: Data<Queues>,
    query: Params<QueueFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 1000, 1000)? as usize;
    let found = queues.list(&caller, query.0.after.as_ref(), limit).await?;
    let next = found.last().filter(|_| found.len() == limit);
    let next = next.map(|last| form_urlencoded::byte_serialize(last.name.as_bytes()).collect());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Pauses a queue.
///
/// New jobs are accepted and stay pending; running jobs continue. Repeat the request to change the end or the reason.
#[utoipa::path(tag = "queues", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::QueueName), request_body = Option<PauseRequest>, responses(
    (status = 200, body = Queue), (status = 400, description = "The path has control characters or a segment of dots", body = Problem),
    (status = 404, description = "No automation, job or pause names this queue", body = Problem)))]
#[post("/api/v1/queues/{name}/pause")]
pub(crate) async fn pause(
    caller: Changing<RunCancel>,
    queues: Data<Queues>,
    name: Path<String>,
    body: OptionalJsonBody<PauseRequest>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(queues.pause(&caller, &name, body.0).await?))
}

/// Ends the pause of a queue.
///
/// Pending jobs start as limits allow.
#[utoipa::path(tag = "queues", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::QueueName), responses(
    (status = 200, body = Queue), (status = 400, description = "The path has control characters or a segment of dots", body = Problem),
    (status = 404, description = "No automation, job or pause names this queue", body = Problem),
    (status = 409, description = "The queue is not paused", body = Problem)))]
#[post("/api/v1/queues/{name}/resume")]
pub(crate) async fn resume(caller: Changing<RunCancel>, queues: Data<Queues>, name: Path<String>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(queues.resume(&caller, &name).await?))
}
