//! Report plans: reports that leave by themselves, over e-mail channels.
//!
//! What must hold: a period of a plan is sent once, whichever replica looks; after a downtime the last period is sent, and no earlier one.

mod compose;
mod due;
mod manage;
pub(crate) mod routes;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use api_types::ReportPlan;
use domain::ids::ReportPlanId;
use runtime::{Context, Failure};
use store::report_plans::Stored;
use tokio::sync::Notify;

use super::Reports;

#[cfg(test)]
pub(crate) use self::compose::report_message;
pub(crate) use self::due::Due;

/// The use cases of report plans. Clones share everything.
#[derive(Clone)]
pub(crate) struct Plans {
    reports: Reports,
    /// There are messages to be sent.
    planned: Arc<Notify>,
}

impl Plans {
    pub(crate) fn new(reports: Reports, planned: Arc<Notify>) -> Self {
        Self { reports, planned }
    }

    /// The reconciler that sends what is due.
    pub(crate) fn due(&self, context: &Context) -> Due {
        Due { plans: self.clone(), shutdown: context.shutdown.clone() }
    }
}

/// The description of the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(routes::create, routes::list, routes::get, routes::update, routes::delete, routes::send),
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
        .service(routes::send);
}

fn missing(id: ReportPlanId) -> Failure {
    Failure::NotFound(format!("report plan {id}"))
}

/// A row as the API shows it.
fn shown(stored: Stored) -> ReportPlan {
    let Stored { id, plan, due_at, last_sent_at, revision, created_at, created_by, updated_at, updated_by } = stored;
    ReportPlan {
        id,
        name: plan.name,
        period: plan.period,
        weekday: plan.weekday,
        at: domain::schedule::input::time_of_day_text(plan.at),
        timezone: plan.timezone,
        domain_id: plan.domain_id,
        channels: plan.channels,
        enabled: plan.enabled,
        due_at,
        last_sent_at,
        revision,
        created_at,
        created_by,
        updated_at,
        updated_by,
    }
}
