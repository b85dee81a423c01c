//! Schedules: what is due, and the jobs that it becomes.
//!
//! [`compile`] makes of what people set a schedule that can be asked. `due` is the loop that claims what is due, decides by
//! [`domain::schedule::Schedule::decide`], and asks for the jobs. `Schedules` is what handlers call.

mod compile;
mod convert;
mod document;
mod draft;
pub(crate) mod due;
mod exchange;
mod fires;
mod manage;
mod pause;
mod preview;
pub(crate) mod routes;
mod run;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use domain::schedule::{Zone, Zones};
use runtime::{CalendarCache, Clock, Events, JobIntake};
use store::Database;
use tokio::sync::Notify;

pub use self::compile::compile;

/// The use cases of schedules.
pub(crate) struct Schedules {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) zones: Arc<Zones>,
    /// The zone of schedules that name none.
    pub(crate) zone: Zone,
    pub(crate) calendars: CalendarCache,
    pub(crate) intake: Arc<dyn JobIntake>,
    /// Wakes the loop of this process after a change; others find out within their tick.
    pub(crate) nudge: Arc<Notify>,
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        routes::create,
        routes::list,
        routes::preview,
        routes::fires,
        routes::export,
        routes::import,
        routes::pause_all,
        routes::resume_all,
        routes::get,
        routes::update,
        routes::delete,
        routes::run,
        routes::pause,
        routes::resume,
    ),
    components(schemas(api_types::Problem))
)]
pub(crate) struct Description;

/// The routes, in matching order.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routes::create)
        .service(routes::list)
        .service(routes::preview)
        .service(routes::fires)
        .service(routes::export)
        .service(routes::import)
        .service(routes::pause_all)
        .service(routes::resume_all)
        .service(routes::get)
        .service(routes::update)
        .service(routes::delete)
        .service(routes::run)
        .service(routes::pause)
        .service(routes::resume);
}
