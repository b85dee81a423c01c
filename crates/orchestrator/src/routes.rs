//! Every route of this service, and their description.

use actix_web::web::{self, Data, ServiceConfig};
use utoipa::OpenApi;

use crate::{Orchestrator, automations, dead_letters, jobs, ops, queues, worker_api, workers};

#[derive(OpenApi)]
#[openapi(
    paths(
        automations::routes::create,
        automations::routes::list,
        automations::routes::get,
        automations::routes::update,
        automations::routes::archive,
        automations::routes::execute,
        automations::routes::pause,
        automations::routes::resume,
        queues::routes::list,
        queues::routes::pause,
        queues::routes::resume,
        jobs::routes::list,
        jobs::routes::create,
        jobs::routes::get,
        jobs::routes::logs,
        jobs::routes::events,
        jobs::routes::control::cancel,
        jobs::routes::control::pause,
        jobs::routes::control::resume,
        jobs::routes::control::retry,
        jobs::routes::control::bulk_cancel,
        jobs::routes::control::bulk_retry,
        jobs::routes::stream::logs,
        workers::routes::register,
        workers::routes::heartbeat,
        workers::routes::claim,
        workers::routes::goodbye,
        worker_api::routes::start,
        worker_api::routes::log,
        worker_api::routes::progress,
        worker_api::routes::finish,
        worker_api::routes::status,
        worker_api::routes::cancellation,
        worker_api::reports::reports,
        workers::routes::manage::list,
        workers::routes::manage::get,
        workers::routes::manage::pause,
        workers::routes::manage::resume,
        workers::routes::manage::delete,
        workers::routes::tokens::create,
        workers::routes::tokens::list,
        workers::routes::tokens::revoke,
        dead_letters::routes::list,
        dead_letters::routes::get,
        dead_letters::routes::replay,
        dead_letters::routes::replay_many,
        dead_letters::routes::delete,
        ops::routes::status,
        ops::routes::reconcilers,
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
            .service(automations::routes::execute)
            .service(worker_api::reports::reports)
            .service(worker_api::routes::start)
            .service(worker_api::routes::finish)
            .service(worker_api::routes::log)
            .service(worker_api::routes::progress)
            .service(workers::routes::claim)
            .service(workers::routes::heartbeat)
            .service(automations::routes::create)
            .service(automations::routes::list)
            .service(automations::routes::get)
            .service(automations::routes::update)
            .service(automations::routes::archive)
            .service(automations::routes::pause)
            .service(automations::routes::resume)
            .service(queues::routes::list)
            .service(queues::routes::pause)
            .service(queues::routes::resume)
            .service(jobs::routes::list)
            .service(jobs::routes::create)
            .service(jobs::routes::stream::logs)
            .service(jobs::routes::logs)
            .service(jobs::routes::events)
            .service(jobs::routes::control::bulk_cancel)
            .service(jobs::routes::control::bulk_retry)
            .service(jobs::routes::control::cancel)
            .service(jobs::routes::control::pause)
            .service(jobs::routes::control::resume)
            .service(jobs::routes::control::retry)
            .service(jobs::routes::get)
            .service(workers::routes::register)
            .service(worker_api::routes::status)
            .service(worker_api::routes::cancellation)
            .service(workers::routes::goodbye)
            .service(workers::routes::manage::list)
            .service(workers::routes::manage::pause)
            .service(workers::routes::manage::resume)
            .service(workers::routes::manage::get)
            .service(workers::routes::manage::delete)
            .service(workers::routes::tokens::create)
            .service(workers::routes::tokens::list)
            .service(workers::routes::tokens::revoke)
            .service(
                // Its other methods are not those of a letter named "replay".
                web::resource("/api/v1/dead-letters/replay")
                    .route(web::post().to(dead_letters::routes::replay_many))
                    .default_service(web::to(runtime::unmatched)),
            )
            .service(dead_letters::routes::replay)
            .service(dead_letters::routes::list)
            .service(dead_letters::routes::get)
            .service(dead_letters::routes::delete)
            .service(ops::routes::status)
            .service(ops::routes::reconcilers);
    }
}
