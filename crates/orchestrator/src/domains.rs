//! Domains: business areas that own automations.

mod manage;
pub(crate) mod routes;

use actix_web::web::ServiceConfig;
use runtime::{Clock, Identities};
use store::Database;

/// The use cases of domains.
pub(crate) struct Domains {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    /// With a domain, grants end.
    pub(crate) identities: Identities,
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(paths(routes::create, routes::list, routes::get, routes::update, routes::delete,), components(schemas(api_types::Problem)))]
pub(crate) struct Description;

/// The routes, in matching order.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(routes::create).service(routes::list).service(routes::get).service(routes::update).service(routes::delete);
}
