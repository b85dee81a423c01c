//! Assembles the service. Each subject adds its use cases, routes and tasks here by a line, and nothing else constructs them.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use futures_util::future::BoxFuture;
use runtime::{Context, EndedReader, Running, Section, StartError};
use tokio::sync::Notify;

use crate::{
    Settings,
    calendars::Calendars,
    chains::{Chains, Sweep},
    hooks::{self, Hooks},
    retention, routes,
    schedules::{Schedules, due::Due},
};

/// The scheduler as a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service;

const NAME: &str = "scheduler";

impl runtime::Service for Service {
    fn name(&self) -> &'static str {
        NAME
    }

    fn section(&self) -> Option<Section> {
        Some(Section::of::<Settings>())
    }

    fn describe(&self) -> utoipa::openapi::OpenApi {
        routes::description()
    }

    fn start<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Running, StartError>> {
        Box::pin(async move {
            let use_cases = UseCases::new(context)?;
            let sweep = Arc::new(use_cases.sweep(context));
            let (due, stop) = (use_cases.due.clone(), context.shutdown.clone());
            context.tasks.spawn("scheduler.due", move || due.clone().run(stop.clone()));
            let running = Running::new(move |config| {
                use_cases.share(config);
                routes::routes(config);
            });
            Ok(running.with_reconcilers(vec![sweep, Arc::new(retention::fires(context)), Arc::new(hooks::Retention::new(context))]))
        })
    }
}

/// The use cases, by subject: what handlers call, and what tasks run.
struct UseCases {
    calendars: Data<Calendars>,
    chains: Data<Chains>,
    hooks: Data<Hooks>,
    schedules: Data<Schedules>,
    due: Due,
}

impl UseCases {
    fn new(context: &Context) -> Result<Self, StartError> {
        let settings = context.settings.section::<Settings>()?;
        let (zones, zone, cache) = (context.zones.clone(), context.zone.clone(), context.calendars.clone());
        let (database, clock, events) = (context.database.clone(), context.clock.clone(), context.events.clone());
        let (nudge, intake) = (Arc::<Notify>::default(), context.job_intake(NAME)?);
        let schedules = Schedules {
            database: database.clone(),
            clock: clock.clone(),
            events: events.clone(),
            zones: zones.clone(),
            zone: zone.clone(),
            calendars: cache.clone(),
            intake: intake.clone(),
            nudge: nudge.clone(),
        };
        let due = Due {
            database: database.clone(),
            clock: clock.clone(),
            events: events.clone(),
            zones: zones.clone(),
            calendars: cache,
            intake,
            nudge: nudge.clone(),
            tick: settings.tick,
        };
        let chains =
            Chains { database: database.clone(), clock: clock.clone(), events: events.clone(), zones: zones.clone(), zone: zone.clone() };
        let calendars = Calendars { database, clock, events, zones, zone, nudge };
        Ok(Self {
            calendars: Data::new(calendars),
            chains: Data::new(chains),
            hooks: Data::new(Hooks::new(context)?),
            schedules: Data::new(schedules),
            due,
        })
    }

    /// What follows ended jobs.
    fn sweep(&self, context: &Context) -> Sweep {
        let Due { database, clock, events, zones, intake, tick, .. } = self.due.clone();
        Sweep { database, clock, events, zones, intake, tick, shutdown: context.shutdown.clone(), read: EndedReader::default() }
    }

    /// Registers them as app data for the handlers.
    fn share(&self, config: &mut ServiceConfig) {
        config.app_data(self.calendars.clone()).app_data(self.chains.clone()).app_data(self.hooks.clone()).app_data(self.schedules.clone());
    }
}
