//! What robots call about their jobs: start, log, progress, finish, and many of these at once.

pub(crate) mod reports;
pub(crate) mod routes;

use actix_web::web::ServiceConfig;

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(reports::reports, routes::start, routes::finish, routes::log, routes::progress, routes::status, routes::cancellation,),
    components(schemas(api_types::Problem))
)]
pub(crate) struct Description;

/// Those on the path of every job, which are tried first.
pub(crate) fn hot_routes(config: &mut ServiceConfig) {
    config.service(reports::reports).service(routes::start).service(routes::finish).service(routes::log).service(routes::progress);
}

/// The others, in the order in which they are tried.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(routes::status).service(routes::cancellation);
}
