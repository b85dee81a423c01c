//! Chains: automations that run after others have ended.
//!
//! What must hold: each end counts once for a chain, and each run has one job, on however many replicas it is found at the same moment, and
//! whichever of them is killed when. Ended jobs are read from their rows; no event is needed for it.

mod convert;
mod manage;
pub(crate) mod routes;
mod sweep;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use domain::schedule::{Zone, Zones};
use runtime::{Clock, Events, events::Event};
use serde_json::{Map, Value};
use store::{Database, chains::Chain};

pub(crate) use self::sweep::Sweep;

/// The use cases of chains.
pub(crate) struct Chains {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) zones: Arc<Zones>,
    /// The zone of chains that name none.
    pub(crate) zone: Zone,
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(routes::create, routes::list, routes::get, routes::update, routes::delete, routes::enable, routes::disable, routes::runs,),
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
        .service(routes::enable)
        .service(routes::disable)
        .service(routes::runs);
}

/// An event about a chain, with more fields.
fn event<const N: usize>(kind: &'static str, chain: &Chain, clock: &Clock, more: [(&str, Value); N]) -> Event {
    let (id, name) = (chain.id.to_string(), chain.draft.name.clone());
    let data = [("chain_id", id.into()), ("automation_id", chain.draft.automation_id.get().into()), ("name", name.into())];
    let data: Map<String, Value> = data.into_iter().chain(more).map(|(field, value)| (field.to_owned(), value)).collect();
    Event::new(kind, format!("chains/{}", chain.id), clock(), data)
}
