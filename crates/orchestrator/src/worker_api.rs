//! The worker API of jobs: start, log, progress, finish, and batches of these.

mod parse;
mod reports;
pub(crate) mod routes;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use runtime::Clock;
use store::Database;

use crate::{roster::Roster, writer::Writer};

/// The use cases of workers' reports.
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

/// Routes on the path of every job, which are matched first.
pub(crate) fn hot_routes(config: &mut ServiceConfig) {
    config.service(routes::reports).service(routes::start).service(routes::finish).service(routes::log).service(routes::progress);
}

/// The other routes, in matching order.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(routes::status).service(routes::cancellation);
}
