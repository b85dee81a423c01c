//! Notifications: who is told what, when, and what became of it.
//!
//! The [`Router`] makes messages of what happened to alerts, [`Delivery`] sends them. Each step is one transaction, or may be repeated: a process may
//! die between any two, and what was sent and not noted is sent again with the same id.

mod convert;
mod delivery;
mod email;
mod manage;
mod render;
mod router;
pub(crate) mod routes;
pub(crate) mod templates;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use runtime::{Clock, Context};
use store::Database;
use tokio::sync::Notify;

#[cfg(test)]
pub(crate) use self::render::{Draft, compose};
pub(crate) use self::{delivery::Delivery, render::Renderer, router::Router};

/// The use cases of notifications.
pub(crate) struct Notifications {
    database: Database,
    clock: Clock,
    renderer: Renderer,
    /// There are messages to be sent.
    planned: Arc<Notify>,
}

impl Notifications {
    pub(crate) fn new(context: &Context, renderer: Renderer, planned: Arc<Notify>) -> Self {
        Self { database: context.database.clone(), clock: context.clock.clone(), renderer, planned }
    }
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(paths(routes::list, routes::preview, routes::get, routes::retry), components(schemas(api_types::Problem)))]
pub(crate) struct Description;

/// The routes.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(routes::list).service(routes::preview).service(routes::get).service(routes::retry);
}
