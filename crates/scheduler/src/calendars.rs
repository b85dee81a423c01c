//! Calendars: working days and hours of the hub, which schedules obey.
//!
//! They are the hub's: who may read any automation reads all of them, and who may publish everywhere changes them. A calendar is stored whole
//! with its revision, by which the loop knows what it must read again ([`runtime::CalendarCache`]); a change wakes the schedules that use it in its own
//! transaction.

mod convert;
mod days;
mod import;
mod manage;
pub(crate) mod routes;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use domain::schedule::{Zone, Zones};
use runtime::{Clock, Events};
use store::Database;
use tokio::sync::Notify;

/// The use cases of calendars.
pub(crate) struct Calendars {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    /// For the times of files.
    pub(crate) zones: Arc<Zones>,
    /// The zone of files that name none.
    pub(crate) zone: Zone,
    /// Wakes the loop of this process after a change; others find out within their tick.
    pub(crate) nudge: Arc<Notify>,
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(routes::create, routes::list, routes::holidays, routes::get, routes::update, routes::delete, routes::days, routes::import,),
    components(schemas(api_types::Problem))
)]
pub(crate) struct Description;

/// The routes, in matching order.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routes::create)
        .service(routes::list)
        .service(routes::holidays)
        .service(routes::get)
        .service(routes::update)
        .service(routes::delete)
        .service(routes::days)
        .service(routes::import);
}
