//! Automations: register, change, pause and archive. [`crate::catalog`] caches what dispatch needs of them.

mod convert;
mod draft;
mod pause;
mod register;
pub(crate) mod routes;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use domain::automation::QueueProfile;
use runtime::Clock;
use store::Database;

pub(crate) use self::pause::pause;
use crate::{catalog::Catalog, dispatch::BrokerQueues, events::Announcer, notices::Notices};

/// The use cases of automations.
pub(crate) struct Automations {
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) broker_queues: BrokerQueues,
    pub(crate) notices: Notices,
    /// Default profile of queues.
    pub(crate) queue_profile: Option<QueueProfile>,
    pub(crate) announcer: Announcer,
    pub(crate) clock: Clock,
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(routes::create, routes::list, routes::get, routes::update, routes::archive, routes::pause, routes::resume,),
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
        .service(routes::archive)
        .service(routes::pause)
        .service(routes::resume);
}
