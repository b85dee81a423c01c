//! Workers: registration, heartbeats, claims, and pauses by people.

mod changes;
mod counter;
mod live;
mod manage;
mod presence;
mod register;
pub(crate) mod routes;
mod tokens;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use chrono::TimeDelta;
use runtime::{Clock, LeaseSettings, Shutdown};
use store::Database;

pub(crate) use self::{
    changes::{CachedWorkers, WorkerChanges},
    presence::Presence,
};
use crate::{dispatch::ControlMessages, events::Announcer, roster::Roster, writer::Writer};

/// The use cases of workers.
pub(crate) struct Workers {
    pub(crate) database: Database,
    pub(crate) writer: Writer,
    pub(crate) roster: Arc<Roster>,
    pub(crate) changes: WorkerChanges,
    pub(crate) presence: Presence,
    pub(crate) announcer: Announcer,
    pub(crate) control: ControlMessages,
    pub(crate) settings: LeaseSettings,
    /// How long a registered worker's lease lasts.
    pub(crate) lease: TimeDelta,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
}

/// The use cases of worker tokens.
pub(crate) struct Tokens {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        routes::claim,
        routes::heartbeat,
        routes::register,
        routes::goodbye,
        routes::manage::list,
        routes::manage::pause,
        routes::manage::resume,
        routes::manage::get,
        routes::manage::delete,
        routes::tokens::create,
        routes::tokens::list,
        routes::tokens::revoke,
    ),
    components(schemas(api_types::Problem))
)]
pub(crate) struct Description;

/// Routes on the path of every job, which are matched first.
pub(crate) fn hot_routes(config: &mut ServiceConfig) {
    config.service(routes::claim).service(routes::heartbeat);
}

/// The other routes, in matching order.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routes::register)
        .service(routes::goodbye)
        .service(routes::manage::list)
        .service(routes::manage::pause)
        .service(routes::manage::resume)
        .service(routes::manage::get)
        .service(routes::manage::delete)
        .service(routes::tokens::create)
        .service(routes::tokens::list)
        .service(routes::tokens::revoke);
}
