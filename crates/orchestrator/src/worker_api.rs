//! What robots call about their jobs: start, log, progress, finish, and many of these at once.

mod parse;
mod reports;
pub(crate) mod routes;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use runtime::Clock;
use store::Database;

use crate::{roster::Roster, writer::Writer};

/// The use cases of robots' reports.
pub(crate) struct Reports {
    pub(crate) database: Database,
    pub(crate) writer: Writer,
    pub(crate) roster: Arc<Roster>,
    pub(crate) clock: Clock,
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(routes::reports, routes::start, routes::finish, routes::log, routes::progress, routes::status, routes::cancellation,),
    components(schemas(api_types::Problem))
)]
pub(crate) struct Description;

/// Those on the path of every job, which are tried first.
pub(crate) fn hot_routes(config: &mut ServiceConfig) {
    config.service(routes::reports).service(routes::start).service(routes::finish).service(routes::log).service(routes::progress);
}

/// The others, in the order in which they are tried.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(routes::status).service(routes::cancellation);
}
