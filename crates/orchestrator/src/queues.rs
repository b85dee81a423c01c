//! Queues: their load and their pauses.

mod convert;
mod pause;
pub(crate) mod routes;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use runtime::Clock;
use store::Database;

use crate::{catalog::Catalog, events::Announcer, notices::Notices};

/// The use cases of queues.
pub(crate) struct Queues {
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) notices: Notices,
    pub(crate) announcer: Announcer,
    pub(crate) clock: Clock,
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(paths(routes::list, routes::pause, routes::resume,), components(schemas(api_types::Problem)))]
pub(crate) struct Description;

/// The routes, in matching order.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(routes::list).service(routes::pause).service(routes::resume);
}
