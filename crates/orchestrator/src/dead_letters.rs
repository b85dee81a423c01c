//! Dead letters: consumed from the dead-letter queue, stored, and shown to people, who replay or delete them.

mod consume;
mod read;
mod replay;
pub(crate) mod routes;

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use broker::Broker;
use runtime::Clock;
use store::Database;

pub(crate) use self::consume::run;
use crate::{catalog::Catalog, events::Announcer, writer::Writer};

/// The use cases of dead letters.
#[derive(Clone)]
pub(crate) struct DeadLetters {
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) writer: Writer,
    pub(crate) broker: Option<Arc<Broker>>,
    pub(crate) announcer: Announcer,
    pub(crate) clock: Clock,
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(paths(routes::replay, routes::list, routes::get, routes::delete, routes::replay_many,), components(schemas(api_types::Problem)))]
pub(crate) struct Description;

/// The routes, in matching order.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            // Otherwise `{id}` would match "replay".
            web::resource("/api/v1/dead-letters/replay")
                .route(web::post().to(routes::replay_many))
                .default_service(web::to(runtime::unmatched)),
        )
        .service(routes::replay)
        .service(routes::list)
        .service(routes::get)
        .service(routes::delete);
}
