//! Inbound webhooks: requests of other systems that start jobs.
//!
//! What must hold: a request starts a job only when its hook's token and proof are good; equal requests have one job, on whichever replicas they
//! arrive at the same moment; neither token nor secret is in a log, an event, the audit trail or a kept delivery; the sender learns of the hub what
//! became of its request and nothing else.

mod body;
mod convert;
mod deliveries;
mod door;
mod manage;
mod receive;
mod retention;
pub(crate) mod routes;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use auth::secrets::{HOOK_SECRET, Place};
use domain::ids::HookId;
use runtime::{Clock, Context, Events, Failure, JobIntake, Secrets, SecretsError, StartError, events::Event};
use serde_json::{Map, Value, json};
use store::{
    Database,
    hooks::{Delivery, Hook},
};

pub(crate) use self::retention::Retention;

/// The use cases of hooks.
pub(crate) struct Hooks {
    database: Database,
    secrets: Secrets,
    clock: Clock,
    events: Events,
    intake: Arc<dyn JobIntake>,
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        routes::create,
        routes::list,
        routes::get,
        routes::update,
        routes::delete,
        routes::rotate,
        routes::pause,
        routes::resume,
        routes::deliveries,
        routes::delivery,
        routes::redeliver,
        door::receive,
    ),
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
        .service(routes::rotate)
        .service(routes::pause)
        .service(routes::resume)
        .service(routes::deliveries)
        .service(routes::delivery)
        .service(routes::redeliver)
        .service(door::receive);
}

impl Hooks {
    pub(crate) fn new(context: &Context) -> Result<Self, StartError> {
        let Context { database, secrets, clock, events, .. } = context.clone();
        Ok(Self { database, secrets, clock, events, intake: context.job_intake("scheduler")? })
    }

    /// Publishes what became of a delivery.
    fn announce(&self, kind: &'static str, hook: &Hook, delivery: &Delivery) {
        if !self.events.has_receivers() {
            return;
        }
        let data = json!({
            "hook_id": hook.id, "automation_id": hook.automation_id, "name": hook.name, "delivery_id": delivery.id,
            "outcome": delivery.outcome.as_str(), "job_id": delivery.job_id.map(|id| id.to_string()).unwrap_or_default()
        });
        let data = if let Value::Object(data) = data { data } else { Map::new() };
        self.events.publish(Event::new(kind, format!("hooks/{}", hook.id), (self.clock)(), data));
    }
}

/// Where a secret of a hook is sealed.
fn place(id: &str) -> Place<'_> {
    Place { purpose: HOOK_SECRET, id }
}

fn missing(id: HookId) -> Failure {
    Failure::NotFound(format!("hook {id}"))
}

/// Why a secret cannot be had.
fn unsealed(error: SecretsError) -> Failure {
    match error {
        SecretsError::Store(error) => error.into(),
        SecretsError::NoKey | SecretsError::OtherKey { .. } => {
            Failure::conflict("no_master_key", format!("the scheduler cannot seal the hook's secret: {error}"))
        }
        error => Failure::Internal(error.to_string()),
    }
}
