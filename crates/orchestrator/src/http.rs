//! Routes.

mod automations;
mod control;
mod dead_letters;
mod jobs;
mod listing;
mod ops;
mod queues;
mod reports;
mod stream;
mod worker;
mod worker_jobs;
mod worker_tokens;
mod workers;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header,
    web::{self, Data, ServiceConfig},
};
use utoipa::OpenApi;

use crate::Orchestrator;

#[derive(OpenApi)]
#[openapi(
    paths(
        automations::create,
        automations::list,
        automations::get,
        automations::update,
        automations::archive,
        automations::execute,
        automations::pause,
        automations::resume,
        queues::list,
        queues::pause,
        queues::resume,
        jobs::list,
        jobs::create,
        jobs::get,
        jobs::logs,
        jobs::events,
        control::cancel,
        control::pause,
        control::resume,
        control::retry,
        control::bulk_cancel,
        control::bulk_retry,
        stream::logs,
        worker::register,
        worker::heartbeat,
        worker::claim,
        worker::goodbye,
        worker_jobs::start,
        worker_jobs::log,
        worker_jobs::progress,
        worker_jobs::finish,
        worker_jobs::status,
        worker_jobs::cancellation,
        reports::reports,
        workers::list,
        workers::get,
        workers::pause,
        workers::resume,
        workers::delete,
        worker_tokens::create,
        worker_tokens::list,
        worker_tokens::revoke,
        dead_letters::list,
        dead_letters::get,
        dead_letters::replay,
        dead_letters::replay_many,
        dead_letters::delete,
        ops::status,
        ops::reconcilers,
    ),
    components(schemas(api_types::Problem))
)]
struct ApiDoc;

/// The OpenAPI description of this service's routes.
#[must_use]
pub fn api_doc() -> utoipa::openapi::OpenApi {
    ApiDoc::openapi()
}

pub(crate) fn routes(orchestrator: Orchestrator) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .app_data(Data::new(orchestrator))
            // Routes are tried in this order: those of every job come first.
            .service(automations::execute)
            .service(reports::reports)
            .service(worker_jobs::start)
            .service(worker_jobs::finish)
            .service(worker_jobs::log)
            .service(worker_jobs::progress)
            .service(worker::claim)
            .service(worker::heartbeat)
            .service(automations::create)
            .service(automations::list)
            .service(automations::get)
            .service(automations::update)
            .service(automations::archive)
            .service(automations::pause)
            .service(automations::resume)
            .service(queues::list)
            .service(queues::pause)
            .service(queues::resume)
            .service(jobs::list)
            .service(jobs::create)
            .service(stream::logs)
            .service(jobs::logs)
            .service(jobs::events)
            .service(control::bulk_cancel)
            .service(control::bulk_retry)
            .service(control::cancel)
            .service(control::pause)
            .service(control::resume)
            .service(control::retry)
            .service(jobs::get)
            .service(worker::register)
            .service(worker_jobs::status)
            .service(worker_jobs::cancellation)
            .service(worker::goodbye)
            .service(workers::list)
            .service(workers::pause)
            .service(workers::resume)
            .service(workers::get)
            .service(workers::delete)
            .service(worker_tokens::create)
            .service(worker_tokens::list)
            .service(worker_tokens::revoke)
            .service(
                // Its other methods are not those of a letter named "replay".
                web::resource("/api/v1/dead-letters/replay")
                    .route(web::post().to(dead_letters::replay_many))
                    .default_service(web::to(runtime::unmatched)),
            )
            .service(dead_letters::replay)
            .service(dead_letters::list)
            .service(dead_letters::get)
            .service(dead_letters::delete)
            .service(ops::status)
            .service(ops::reconcilers);
    }
}

/// A page's size: what was asked for, within `1..=most`.
fn page_size(asked: Option<u32>, usual: u32, most: u32) -> Result<u32, runtime::Failure> {
    let limit = asked.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(runtime::Failure::BadQuery(vec![domain::Fault::new("limit", format!("must be 1 to {most}"))]))
}

/// An answer with a page of a list, and the way to the next page when there may be one.
fn page(path: &str, query: &str, next: Option<String>) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    if let Some(after) = next {
        let rest = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("after="));
        let query = rest.map(str::to_owned).chain([format!("after={after}")]).collect::<Vec<_>>().join("&");
        response.insert_header((header::LINK, format!("<{path}?{query}>; rel=\"next\"")));
    }
    response
}
