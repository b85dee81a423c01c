use actix_web::{
    HttpRequest, HttpResponse, get, post,
    web::{Data, Path},
};
use api_types::{PauseRequest, Problem, Queue};
use auth::need::{QueuesPause, QueuesRead};
use domain::Scope;
use runtime::{Allowed, Failure, OptionalJsonBody, Params};
use serde::Deserialize;

use super::convert;
use crate::{
    Orchestrator,
    pages::{page, page_size},
};

#[derive(Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Page size, 1 to 1000 (default 1000).
    limit: Option<u32>,
    /// Name of the last queue of the page before.
    after: Option<String>,
}

/// Lists queues by name: those that automations use, that jobs wait in or come from, and that are paused.
#[utoipa::path(tag = "queues", params(ListQuery), responses(
    (status = 200, body = Vec<Queue>), (status = 400, body = Problem), (status = 401, body = Problem)))]
#[get("/api/v1/queues")]
pub(crate) async fn list(
    _: Allowed<QueuesRead>,
    request: HttpRequest,
    hub: Data<Orchestrator>,
    query: Params<ListQuery>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 1000, 1000)? as usize;
    let queues = store::queues::queue_list(&hub.database, &Scope::All).await?.into_iter();
    let rest = queues.filter(|queue| query.0.after.as_ref().is_none_or(|after| queue.name > *after));
    let found: Vec<_> = rest.take(limit).map(|queue| convert::queue(queue, (hub.clock)())).collect();
    let next = found.last().filter(|_| found.len() == limit);
    let next = next.map(|last| form_urlencoded::byte_serialize(last.name.as_bytes()).collect());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Pauses a queue: jobs are accepted and wait in it; those that run go on. A pause that lasts is changed.
#[utoipa::path(tag = "queues", params(("name" = String, Path)), request_body = Option<PauseRequest>, responses(
    (status = 200, body = Queue), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 404, description = "No automation, job or pause names this queue", body = Problem), (status = 422, body = Problem)))]
#[post("/api/v1/queues/{name}/pause")]
pub(crate) async fn pause(
    caller: Allowed<QueuesPause>,
    hub: Data<Orchestrator>,
    name: Path<String>,
    body: OptionalJsonBody<PauseRequest>,
) -> Result<HttpResponse, Failure> {
    let queue = hub.queue_pause(&name, body.0, &caller).await?;
    Ok(HttpResponse::Ok().json(convert::queue(queue, (hub.clock)())))
}

/// Ends a pause: the jobs that wait start as there is room.
#[utoipa::path(tag = "queues", params(("name" = String, Path)), responses(
    (status = 200, body = Queue), (status = 401, body = Problem),
    (status = 404, description = "No automation, job or pause names this queue", body = Problem),
    (status = 409, description = "The queue is not paused", body = Problem)))]
#[post("/api/v1/queues/{name}/resume")]
pub(crate) async fn resume(caller: Allowed<QueuesPause>, hub: Data<Orchestrator>, name: Path<String>) -> Result<HttpResponse, Failure> {
    let queue = hub.queue_resume(&name, &caller).await?;
    Ok(HttpResponse::Ok().json(convert::queue(queue, (hub.clock)())))
}
