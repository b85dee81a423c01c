//! Status of the hub, its workers and its queues.

pub(crate) mod routes;
mod status;

use std::{collections::HashMap, sync::Arc, time::Instant};

use actix_web::web::ServiceConfig;
use api_types::OpsStatus;
use broker::Broker;
use chrono::TimeDelta;
use domain::Scope;
use runtime::{Clock, RefusedKeys, Replica};
use store::Database;
use tokio::sync::Mutex;

/// The use cases of operations.
pub(crate) struct Ops {
    pub(crate) database: Database,
    pub(crate) broker: Option<Arc<Broker>>,
    pub(crate) replica: Replica,
    pub(crate) refused: RefusedKeys,
    /// How long a registered worker's lease lasts.
    pub(crate) lease: TimeDelta,
    pub(crate) clock: Clock,
    pub(crate) last: LastStatus,
}

/// The cached answers by scope, and when each was read.
pub(crate) type LastStatus = Mutex<HashMap<Scope, (Instant, OpsStatus)>>;

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(paths(routes::status,), components(schemas(api_types::Problem)))]
pub(crate) struct Description;

/// The routes, in matching order.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(routes::status);
}
