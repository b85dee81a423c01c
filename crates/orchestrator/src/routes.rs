//! The routes of this service, joined from its subjects, and their description.

use actix_web::web::ServiceConfig;
use utoipa::OpenApi as _;

use crate::{automations, dead_letters, domains, jobs, ops, queues, worker_api, workers};

/// The description of the routes.
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    let others = [
        domains::Description::openapi(),
        queues::Description::openapi(),
        jobs::Description::openapi(),
        workers::Description::openapi(),
        worker_api::Description::openapi(),
        dead_letters::Description::openapi(),
        ops::Description::openapi(),
    ];
    others.into_iter().fold(automations::Description::openapi(), utoipa::openapi::OpenApi::merge_from)
}

/// Routes are matched in this order, so those on the path of every job are first.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .configure(jobs::hot_routes)
        .configure(worker_api::hot_routes)
        .configure(workers::hot_routes)
        .configure(automations::routes)
        .configure(queues::routes)
        .configure(jobs::routes)
        .configure(workers::routes)
        .configure(worker_api::routes)
        .configure(dead_letters::routes)
        .configure(domains::routes)
        .configure(ops::routes);
}
