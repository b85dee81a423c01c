//! SLA rules: what people set, and how what they expect is.
//!
//! Who may read an automation reads its rules, and who may publish it changes them. A rule for a domain needs the whole domain, one for a queue or
//! for everything the hub as a whole.

mod convert;
mod manage;
pub(crate) mod routes;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use domain::schedule::{Zone, Zones};
use runtime::{Clock, Context, Events};
use store::Database;
use tokio::sync::Notify;

use crate::alerts::Told;

/// The use cases of rules.
pub(crate) struct Rules {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) zones: Arc<Zones>,
    /// The zone of rules that name none.
    pub(crate) zone: Zone,
    /// Wakes the loop of this process after a change; others find out within their tick.
    pub(crate) nudge: Arc<Notify>,
    /// Tells of alerts that end with their rule.
    pub(crate) told: Told,
}

impl Rules {
    pub(crate) fn new(context: &Context, told: Told, nudge: Arc<Notify>) -> Self {
        let (database, clock, events) = (context.database.clone(), context.clock.clone(), context.events.clone());
        Self { database, clock, events, zones: context.zones.clone(), zone: context.zone.clone(), nudge, told }
    }
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(routes::create, routes::list, routes::get, routes::update, routes::delete, routes::mute),
    components(schemas(api_types::Problem))
)]
pub(crate) struct Description;

/// The routes, in matching order.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routes::create)
        .service(routes::list)
        .service(routes::get)
        .service(routes::update)
        .service(routes::delete)
        .service(routes::mute);
}
