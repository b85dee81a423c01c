//! Jobs: accept, read, follow, control and retry them, and explain why they are pending.

mod accept;
mod control;
mod convert;
mod follow;
mod read;
pub(crate) mod routes;
mod waiting;

use std::{sync::Arc, time::Duration};

use actix_web::web::ServiceConfig;
use runtime::{Access, Clock, Shutdown};
use store::Database;

#[cfg(test)]
pub(crate) use self::control::Bulk;
pub(crate) use self::{follow::Followed, waiting::WaitingReasons};
use crate::{catalog::Catalog, notices::Notices, writer::Writer};

/// The use cases of jobs.
pub(crate) struct Jobs {
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) writer: Writer,
    pub(crate) notices: Notices,
    pub(crate) reasons: WaitingReasons,
    pub(crate) clock: Clock,
}

/// Live logs.
pub(crate) struct LogStreams {
    pub(crate) followed: Followed,
    /// Time limit for a client to read what was sent.
    pub(crate) patience: Duration,
    /// Says who readers are.
    pub(crate) access: Access,
    pub(crate) shutdown: Shutdown,
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        routes::request::execute,
        routes::list,
        routes::request::create,
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

/// Routes on the path of every job, which are matched first.
pub(crate) fn hot_routes(config: &mut ServiceConfig) {
    config.service(routes::request::execute);
}

/// The other routes, in matching order.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routes::list)
        .service(routes::request::create)
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
