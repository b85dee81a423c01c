//! Automations: registered, changed, paused and archived; what of them jobs need is cached in [`Catalog`].

mod cached;
mod catalog;
mod convert;
mod draft;
mod pause;
mod register;
pub(crate) mod routes;
mod schema;

use actix_web::web::ServiceConfig;

pub(crate) use self::{
    cached::CachedAutomations,
    catalog::{Catalog, rejected},
    pause::pause,
    register::not_found,
};

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(routes::execute, routes::create, routes::list, routes::get, routes::update, routes::archive, routes::pause, routes::resume,),
    components(schemas(api_types::Problem))
)]
pub(crate) struct Description;

/// Those on the path of every job, which are tried first.
pub(crate) fn hot_routes(config: &mut ServiceConfig) {
    config.service(routes::execute);
}

/// The others, in the order in which they are tried.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routes::create)
        .service(routes::list)
        .service(routes::get)
        .service(routes::update)
        .service(routes::archive)
        .service(routes::pause)
        .service(routes::resume);
}
