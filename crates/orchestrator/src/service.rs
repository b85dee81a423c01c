//! Assembles the service: shared parts, use cases and tasks. Nothing else constructs them.

mod parts;
mod tasks;
#[cfg(test)]
mod tests;

use actix_web::web::{Data, ServiceConfig};
use futures_util::future::BoxFuture;
use runtime::{Context, Running, StartError};

use self::parts::Parts;
use crate::{
    automations::Automations,
    dead_letters::DeadLetters,
    domains::Domains,
    jobs::{Jobs, LogStreams},
    ops::Ops,
    queues::Queues,
    reconcilers, routes,
    worker_api::Reports,
    workers::{Tokens, Workers},
};

/// The orchestrator as a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service;

impl runtime::Service for Service {
    fn name(&self) -> &'static str {
        "orchestrator"
    }

    fn describe(&self) -> utoipa::openapi::OpenApi {
        routes::description()
    }

    fn start<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Running, StartError>> {
        Box::pin(async move {
            let parts = Parts::start(context).await?;
            let use_cases = UseCases::new(&parts, context);
            tasks::start(&parts, context);
            let reconcilers =
                reconcilers::all((&parts.writer, &parts.notices), parts.waiting_reasons(context), parts::announcer(context), context);
            let intake = use_cases.jobs.clone().into_inner();
            let running = Running::new(move |config| {
                use_cases.share(config);
                routes::routes(config);
            });
            Ok(running.with_reconcilers(reconcilers).with_job_intake(intake))
        })
    }
}

/// The use cases, by subject: what handlers call.
struct UseCases {
    automations: Data<Automations>,
    domains: Data<Domains>,
    queues: Data<Queues>,
    jobs: Data<Jobs>,
    log_streams: Data<LogStreams>,
    workers: Data<Workers>,
    tokens: Data<Tokens>,
    reports: Data<Reports>,
    dead_letters: Data<DeadLetters>,
    ops: Data<Ops>,
}

impl UseCases {
    fn new(parts: &Parts, context: &Context) -> Self {
        Self {
            automations: Data::new(parts.automations(context)),
            domains: Data::new(Domains {
                database: context.database.clone(),
                clock: context.clock.clone(),
                identities: context.access.identities.clone(),
            }),
            queues: Data::new(parts.queues(context)),
            jobs: Data::new(parts.jobs(context)),
            log_streams: Data::new(parts.log_streams(context)),
            workers: Data::new(parts.workers(context)),
            tokens: Data::new(Tokens { database: context.database.clone(), clock: context.clock.clone() }),
            reports: Data::new(parts.reports(context)),
            dead_letters: Data::new(parts.dead_letters(context)),
            ops: Data::new(parts.ops(context)),
        }
    }

    /// Registers them as app data for the handlers.
    fn share(&self, config: &mut ServiceConfig) {
        config
            .app_data(self.automations.clone())
            .app_data(self.domains.clone())
            .app_data(self.queues.clone())
            .app_data(self.jobs.clone())
            .app_data(self.log_streams.clone())
            .app_data(self.workers.clone())
            .app_data(self.tokens.clone())
            .app_data(self.reports.clone())
            .app_data(self.dead_letters.clone())
            .app_data(self.ops.clone());
    }
}
