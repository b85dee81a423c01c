//! Messages that the broker gave up: they are kept, shown, and replayed by people.

mod consume;
mod replay;
pub(crate) mod routes;

use actix_web::web::{self, ServiceConfig};

pub(crate) use self::consume::run;

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(paths(routes::replay, routes::list, routes::get, routes::delete, routes::replay_many,), components(schemas(api_types::Problem)))]
pub(crate) struct Description;

/// The routes, in the order in which they are tried.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            // Its other methods are not those of a letter named "replay".
            web::resource("/api/v1/dead-letters/replay")
                .route(web::post().to(routes::replay_many))
                .default_service(web::to(runtime::unmatched)),
        )
        .service(routes::replay)
        .service(routes::list)
        .service(routes::get)
        .service(routes::delete);
}
