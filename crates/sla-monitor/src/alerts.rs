//! Alerts: what people see of them and do to them, what the time does to them, and what other systems say.
//!
//! What must hold: whoever changes alerts tells others after the commit ([`Told`]), and a lost event or nudge only delays: what is due is found in
//! the database.

mod convert;
mod due;
mod hear;
mod manage;
pub(crate) mod routes;
mod told;

use actix_web::web::ServiceConfig;
use runtime::{Clock, Context};
use store::Database;

pub(crate) use self::{due::Due, told::Told};

/// The use cases of alerts.
pub(crate) struct Alerts {
    database: Database,
    clock: Clock,
    told: Told,
}

impl Alerts {
    pub(crate) fn new(context: &Context, told: Told) -> Self {
        let Context { database, clock, .. } = context.clone();
        Self { database, clock, told }
    }
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        routes::list,
        routes::get,
        routes::acknowledge,
        routes::resolve,
        routes::mute,
        routes::unmute,
        routes::comment,
        routes::acknowledge_all,
        routes::alertmanager,
    ),
    components(schemas(api_types::Problem))
)]
pub(crate) struct Description;

/// The routes.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routes::list)
        .service(routes::acknowledge_all)
        .service(routes::alertmanager)
        .service(routes::get)
        .service(routes::acknowledge)
        .service(routes::resolve)
        .service(routes::mute)
        .service(routes::unmute)
        .service(routes::comment);
}
