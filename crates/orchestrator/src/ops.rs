//! How the hub and its work stand.

pub(crate) mod routes;
mod snapshot;
mod status;

use actix_web::web::ServiceConfig;

pub(crate) use self::snapshot::Snapshot;

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(paths(routes::status,), components(schemas(api_types::Problem)))]
pub(crate) struct Description;

/// The routes, in the order in which they are tried.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(routes::status);
}
