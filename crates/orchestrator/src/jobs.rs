//! Jobs: accepted, read, watched, controlled, retried; and why they wait.

mod accept;
mod control;
mod convert;
mod follow;

pub(crate) mod routes;
mod waiting;

use actix_web::web::ServiceConfig;

pub(crate) use self::{
    follow::Followed,
    routes::{accepted, header_key, idempotency_key, key_in_header},
};

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        routes::list,
        routes::create,
        routes::stream::stream_logs,
        routes::logs,
        routes::events,
        routes::control::bulk_cancel,
        routes::control::bulk_retry,
        routes::control::cancel,
        routes::control::pause,
        routes::control::resume,
        routes::control::retry,
        routes::get,
    ),
    components(schemas(api_types::Problem))
)]
pub(crate) struct Description;

/// The routes, in the order in which they are tried.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routes::list)
        .service(routes::create)
        .service(routes::stream::stream_logs)
        .service(routes::logs)
        .service(routes::events)
        .service(routes::control::bulk_cancel)
        .service(routes::control::bulk_retry)
        .service(routes::control::cancel)
        .service(routes::control::pause)
        .service(routes::control::resume)
        .service(routes::control::retry)
        .service(routes::get);
}
