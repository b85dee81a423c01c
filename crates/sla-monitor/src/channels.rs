//! Channels as people manage them.
//!
//! What must hold: a secret goes in and never comes out, but for a signing secret in the answer that made it; secrets that were given for one server
//! are not sent to another; what can be known of an address is judged when it is saved, the rest when something is sent.

mod convert;
mod faults;
mod manage;
mod rotate;
pub(crate) mod routes;
mod secrets;
mod trial;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use domain::{ids::ChannelId, schedule::Zones};
use runtime::{Clock, Context, Failure, Secrets, SecretsError, outbound::Outbound};
use store::Database;

use crate::senders::Senders;

/// The use cases of channels.
pub(crate) struct Channels {
    database: Database,
    secrets: Secrets,
    clock: Clock,
    outbound: Outbound,
    senders: Senders,
    zones: Arc<Zones>,
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(routes::create, routes::list, routes::get, routes::update, routes::delete, routes::test, routes::rotate),
    components(schemas(api_types::Problem))
)]
pub(crate) struct Description;

/// The routes.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routes::create)
        .service(routes::list)
        .service(routes::get)
        .service(routes::update)
        .service(routes::delete)
        .service(routes::test)
        .service(routes::rotate);
}

impl Channels {
    pub(crate) fn new(context: &Context, outbound: Outbound, senders: Senders) -> Self {
        let Context { database, secrets, clock, zones, .. } = context.clone();
        Self { database, secrets, clock, outbound, senders, zones }
    }
}

fn missing(id: ChannelId) -> Failure {
    Failure::NotFound(format!("channel {id}"))
}

/// Why secrets cannot be had.
fn unsealed(error: SecretsError) -> Failure {
    match error {
        SecretsError::Store(error) => error.into(),
        SecretsError::NoKey | SecretsError::OtherKey { .. } => {
            Failure::conflict("no_master_key", format!("the SLA monitor cannot seal the channel's secrets: {error}"))
        }
        error => Failure::Internal(error.to_string()),
    }
}
